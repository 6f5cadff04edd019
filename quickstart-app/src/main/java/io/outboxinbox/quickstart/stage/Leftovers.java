package io.outboxinbox.quickstart.stage;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
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
 * What a quickstart leaves behind that was killed outright: its agent and its PostgreSQL go on
 * running, and its data stays. The next start cleans up.
 */
public final class Leftovers {
  static final String PID_FILE = "quickstart.pid";
  static final String AGENT_PID_FILE = "agent.pid";

  private static final Logger log = LoggerFactory.getLogger(Leftovers.class);
  private static final Path POSTGRES_PID_FILE = Path.of("postgres", "postmaster.pid");
  private static final long ENDS_WITHIN_SECONDS = 10;

  /** A process writes its pid file some time after its own start, never before. */
  private static final Duration CLOCK_TOLERANCE = Duration.ofSeconds(5);

  private Leftovers() {}

  /**
   * Ends the processes and deletes the data of dead runs under {@code parent}.
   *
   * @return the directories that were deleted
   */
  public static List<Path> clean(Path parent) {
    List<Path> cleaned = new ArrayList<>();
    try (DirectoryStream<Path> runs = Files.newDirectoryStream(parent, Workplace.PREFIX + "*")) {
      for (Path run : runs) {
        Path owner = run.resolve(PID_FILE);
        if (Files.exists(owner) && writerOf(owner, "java").isEmpty()) {
          end(run.resolve(AGENT_PID_FILE), "java");
          end(run.resolve(POSTGRES_PID_FILE), "postgres");
          Workplace.delete(run);
          cleaned.add(run);
        }
      }
    } catch (IOException e) {
      // Another user's, or a full disk: none of it keeps this run from its work.
      log.warn("cannot clean up after earlier runs in {}", parent, e);
    }
    return cleaned;
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
