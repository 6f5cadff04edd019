package io.outboxinbox.quickstart.stage;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a quickstart leaves behind that was killed outright: its agent, its inventory and its
 * PostgreSQL go on running, and its data stays. The next start cleans up.
 */
public final class Leftovers {
  static final String ALIVE_FILE = "quickstart.alive";
  static final String PID_FILE_SUFFIX = ".pid";

  private static final Logger log = LoggerFactory.getLogger(Leftovers.class);
  private static final Path POSTGRES_PID_FILE = Path.of("postgres", "postmaster.pid");
  private static final long ENDS_WITHIN_SECONDS = 10;

  /** A process writes its pid file some time after its own start, never before. */
  private static final Duration CLOCK_TOLERANCE = Duration.ofSeconds(5);

  private Leftovers() {}

  /**
   * Ends the processes and deletes the data of this user's dead runs beside {@code mine}.
   *
   * @return the directories that were deleted
   */
  public static List<Path> clean(Workplace mine) {
    List<Path> cleaned = new ArrayList<>();
    Path parent = mine.directory().resolveSibling("");
    try (DirectoryStream<Path> runs = Files.newDirectoryStream(parent, Workplace.PREFIX + "*")) {
      for (Path run : runs) {
        if (cleanIfDead(run, mine)) {
          cleaned.add(run);
        }
      }
    } catch (IOException e) {
      log.warn("cannot look for earlier runs in {}", parent, e);
    }
    return cleaned;
  }

  /**
   * Marks a run as alive for as long as the returned channel is open: the lock on the file ends
   * with the process, however that ends. A process id would not do, since it is given to others.
   */
  static FileChannel showAlive(Path run) throws IOException {
    FileChannel sign =
        FileChannel.open(
            run.resolve(ALIVE_FILE), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    sign.lock();
    // Only from now on does the file count: between its creation and the lock it would look dead.
    sign.write(ByteBuffer.wrap(new byte[] {'\n'}));
    return sign;
  }

  private static boolean isAlive(Path sign) throws IOException {
    if (!Files.exists(sign) || Files.size(sign) == 0) {
      return true;
    }
    try (FileChannel channel = FileChannel.open(sign, StandardOpenOption.WRITE);
        FileLock lock = channel.tryLock()) {
      return lock == null;
    } catch (OverlappingFileLockException ofThisProcess) {
      return true;
    }
  }

  private static boolean cleanIfDead(Path run, Workplace mine) {
    try {
      // Another user's run would refuse to be deleted, and is none of our business.
      if (!Files.getOwner(run).equals(Files.getOwner(mine.directory()))
          || isAlive(run.resolve(ALIVE_FILE))) {
        return false;
      }
      try (DirectoryStream<Path> pidFiles = Files.newDirectoryStream(run, "*" + PID_FILE_SUFFIX)) {
        for (Path pidFile : pidFiles) {
          end(pidFile, "java");
        }
      }
      end(run.resolve(POSTGRES_PID_FILE), "postgres");
      Workplace.delete(run);
      return true;
    } catch (IOException | UncheckedIOException | NumberFormatException e) {
      // None of it keeps this run from its work.
      log.warn("cannot clean up after the earlier run in {}", run, e);
      return false;
    }
  }

  private static void end(Path pidFile, String program) throws IOException {
    Optional<ProcessHandle> process = writerOf(pidFile, program);
    if (process.isPresent()) {
      process.get().destroyForcibly();
      try {
        process.get().onExit().get(ENDS_WITHIN_SECONDS, TimeUnit.SECONDS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      } catch (ExecutionException | TimeoutException e) {
        throw new IOException("process " + process.get().pid() + " does not end", e);
      }
    }
  }

  /** The process the file names, if it is still the same: numbers are used again. */
  private static Optional<ProcessHandle> writerOf(Path pidFile, String program) throws IOException {
    if (!Files.exists(pidFile)) {
      return Optional.empty();
    }
    Instant written = Files.getLastModifiedTime(pidFile).toInstant();
    String pid = Files.readAllLines(pidFile).stream().findFirst().orElse("").strip();
    if (pid.isEmpty()) {
      return Optional.empty();
    }
    return ProcessHandle.of(Long.parseLong(pid))
        .filter(ProcessHandle::isAlive)
        .filter(process -> process.info().command().orElse("").contains(program))
        .filter(
            process ->
                process
                    .info()
                    .startInstant()
                    .map(start -> start.isBefore(written.plus(CLOCK_TOLERANCE)))
                    .orElse(false));
  }
}
