package io.outboxinbox.e2e.rig;

import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** A disk in memory that can be filled up. Needs the right to mount; who mounts it closes it. */
public final class SmallDisk implements AutoCloseable {
  private static final long COMMAND_SECONDS = 30;
  private static final int CHUNK_BYTES = 64 * 1024;

  private final Path root;

  private SmallDisk(Path root) {
    this.root = root;
  }

  /** Mounts an empty disk; empty where that is not permitted. */
  public static Optional<SmallDisk> mount(int mebibytes) {
    try {
      Path root = Files.createTempDirectory("outbox-e2e-disk-");
      boolean isMounted =
          run("mount", "-t", "tmpfs", "-o", "size=" + mebibytes + "m", "tmpfs", root.toString());
      if (!isMounted) {
        Files.delete(root);
        return Optional.empty();
      }
      return Optional.of(new SmallDisk(root));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot make a directory for a small disk", e);
    }
  }

  /** A directory on the disk, not yet made. */
  public Path directory() {
    return root.resolve("data");
  }

  /** Leaves no byte free. */
  public void fill() {
    byte[] chunk = new byte[CHUNK_BYTES];
    try (OutputStream out = Files.newOutputStream(filler())) {
      while (true) {
        out.write(chunk);
      }
    } catch (IOException full) {
      // That is what was wanted; the rest of a chunk is written as far as it fits.
      return;
    }
  }

  /** Gives back what {@link #fill} took. */
  public void free() {
    try {
      Files.deleteIfExists(filler());
    } catch (IOException e) {
      throw new UncheckedIOException("cannot free " + root, e);
    }
  }

  private Path filler() {
    return root.resolve("filler");
  }

  private static boolean run(String... command) {
    try {
      Process process =
          new ProcessBuilder(List.of(command))
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      return process.waitFor(COMMAND_SECONDS, TimeUnit.SECONDS) && process.exitValue() == 0;
    } catch (IOException notInstalled) {
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while running " + command[0], e);
    }
  }

  @Override
  public void close() {
    // Lazily, because a killed server's files may be open for another moment.
    run("umount", "-l", root.toString());
    try {
      Files.deleteIfExists(root);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot delete " + root, e);
    }
  }
}
