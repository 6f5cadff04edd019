package io.outboxinbox.e2e.rig;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** The wall clock of one process, to be moved while it runs. See src/test/c/clock.c. */
public final class MovableClock {
  private static final Path SOURCE = Path.of("src/test/c/clock.c");
  private static final long COMPILED_WITHIN_SECONDS = 60;

  private final Path library;
  private final Path offset;

  private MovableClock(Path library, Path offset) {
    this.library = library;
    this.offset = offset;
  }

  /** A clock that is right; empty where there is no C compiler, or no Linux. */
  public static Optional<MovableClock> in(Path directory) {
    if (!Files.isDirectory(Path.of("/proc/self"))) {
      return Optional.empty();
    }
    Path library = directory.resolve("clock.so");
    Path offset = directory.resolve("clock.offset");
    List<String> command =
        List.of("cc", "-shared", "-fPIC", "-O2", "-o", library.toString(), SOURCE.toString());
    try {
      Process compiler = new ProcessBuilder(command).inheritIO().start();
      if (!compiler.waitFor(COMPILED_WITHIN_SECONDS, TimeUnit.SECONDS)
          || compiler.exitValue() != 0) {
        throw new IllegalStateException(command + " failed");
      }
    } catch (IOException notInstalled) {
      return Optional.empty();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while compiling " + SOURCE, e);
    }
    MovableClock clock = new MovableClock(library, offset);
    clock.moveTo(Duration.ZERO);
    return Optional.of(clock);
  }

  /** What a process that shall have this clock needs in its environment. */
  public Map<String, String> environment() {
    return Map.of("LD_PRELOAD", library.toString(), "CLOCK_OFFSET_FILE", offset.toString());
  }

  /** Moves the clock, at once, to this much from the right time. */
  public void moveTo(Duration distance) {
    ByteBuffer seconds = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.nativeOrder());
    seconds.putLong(distance.toSeconds()).flip();
    // In place: the process has the file mapped, and must not see it empty.
    try (FileChannel file =
        FileChannel.open(offset, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      file.write(seconds, 0);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot move the clock in " + offset, e);
    }
  }
}
