package io.outboxinbox.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Runs a short command to its end. */
final class Command {
  // Longer than any command we run, pg_ctl's own limit of 60 s included.
  private static final long LIMIT_SECONDS = 90;

  /** Exit code with everything the command printed. */
  record Result(int exitCode, String output) {}

  private Command() {}

  /**
   * @throws UncheckedIOException the program does not exist or cannot run
   * @throws IllegalStateException it does not end in time
   */
  static Result run(List<String> command) {
    try {
      // A file, not a pipe: a daemon that inherits a pipe keeps it open, and we would wait for its
      // end.
      Path output = Files.createTempFile("outbox-testkit-", ".out");
      try {
        Process process =
            new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        await(process, command);
        return new Result(
            process.exitValue(), new String(Files.readAllBytes(output), StandardCharsets.UTF_8));
      } finally {
        deleteNowOrLater(output);
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot run " + command, e);
    }
  }

  // Windows deletes no file that is open, and a daemon keeps what it inherited open until its end.
  private static void deleteNowOrLater(Path output) {
    try {
      Files.deleteIfExists(output);
    } catch (IOException held) {
      output.toFile().deleteOnExit();
    }
  }

  private static void await(Process process, List<String> command) {
    try {
      if (!process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        throw new IllegalStateException(command + " did not end within " + LIMIT_SECONDS + " s");
      }
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while waiting for " + command, e);
    }
  }
}
