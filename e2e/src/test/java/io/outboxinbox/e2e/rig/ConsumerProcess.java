package io.outboxinbox.e2e.rig;

import io.outboxinbox.testkit.JavaCommand;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A {@link ForwardingConsumer} as a process of its own. One thread uses it. */
public final class ConsumerProcess implements AutoCloseable {
  private static final long STOPPED_WITHIN_SECONDS = 60;

  private final List<String> command;
  private final Path log;
  private @Nullable Process process;

  private ConsumerProcess(List<String> command, Path log) {
    this.command = command;
    this.log = log;
  }

  /** Reads a topic and writes into a database; not yet running. */
  public static ConsumerProcess of(
      String name, SourceDatabase database, String bootstrapServers, String topic) {
    Path directory = Path.of(System.getProperty("testkit.logs", "target/logs"));
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot create " + directory, e);
    }
    return new ConsumerProcess(
        JavaCommand.of(
            "-Xmx128m",
            "-cp",
            System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
            ForwardingConsumer.class.getName(),
            database.jdbcUrl(),
            bootstrapServers,
            topic),
        directory.resolve(name + ".log"));
  }

  public void start() {
    try {
      process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
              .start();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot start the consumer", e);
    }
  }

  /** Kills it with SIGKILL and waits until it is gone. */
  public void kill() {
    end(Process::destroyForcibly);
  }

  @Override
  public void close() {
    end(
        running -> {
          running.destroy();
          return running;
        });
  }

  private interface Ending {
    Process of(Process running);
  }

  private void end(Ending ending) {
    Process running = process;
    if (running == null) {
      return;
    }
    process = null;
    try {
      if (!ending.of(running).waitFor(STOPPED_WITHIN_SECONDS, TimeUnit.SECONDS)) {
        running.destroyForcibly();
        throw new IllegalStateException("the consumer does not end; see " + log);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while the consumer ends", e);
    }
  }
}
