package io.outboxinbox.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.jspecify.annotations.Nullable;

/**
 * A Kafka broker in a process of its own, started with the class path of this JVM, so that a test
 * can kill it.
 *
 * <p>Any thread may use it, but not two at a time for start and stop. Who starts it closes it; a
 * forgotten one ends with this JVM.
 */
public final class KafkaBrokerProcess implements AutoCloseable {
  // A start takes 3 to 5 s; the rest is for a busy machine and for log recovery after a kill.
  private static final Duration READY_WITHIN = Duration.ofSeconds(90);
  private static final Duration STOPPED_WITHIN = Duration.ofSeconds(30);
  private static final long LOOK_EVERY_MILLIS = 50;

  /** Where what brokers print is kept, to be read when a test has failed; null to keep none. */
  private static final @Nullable String LOGS = System.getProperty("testkit.logs");

  private final KafkaBroker.Options options;
  private final int port;
  private final Path dataDirectory;
  private final Path logs;
  private @Nullable Process process;

  private KafkaBrokerProcess(KafkaBroker.Options options) {
    this.options = options;
    this.port = options.port() == 0 ? FreePorts.pick() : options.port();
    this.dataDirectory =
        options.dataDirectory() == null
            ? Directories.temporary("kafka")
            : options.dataDirectory().toAbsolutePath();
    this.logs = LOGS == null ? Directories.temporary("kafka-logs") : Path.of(LOGS);
  }

  /** Starts a broker with temporary data on a free port and waits until it answers. */
  public static KafkaBrokerProcess start() {
    return start(KafkaBroker.Options.defaults());
  }

  /**
   * Starts a broker and waits until it answers.
   *
   * @throws IllegalStateException it does not start; the message ends with what it printed
   */
  public static KafkaBrokerProcess start(KafkaBroker.Options options) {
    QuietLog.ofKafka();
    KafkaBrokerProcess broker = new KafkaBrokerProcess(options);
    try {
      broker.startAgain();
      return broker;
    } catch (RuntimeException e) {
      broker.close();
      throw e;
    }
  }

  public String bootstrapServers() {
    return "127.0.0.1:" + port;
  }

  public int port() {
    return port;
  }

  /** Where the broker keeps its data, to read what lies there. */
  public Path dataDirectory() {
    return dataDirectory;
  }

  /** A new client for administration, which the caller closes. */
  public Admin admin() {
    return KafkaTopics.admin(bootstrapServers());
  }

  /** Creates a topic, see {@link KafkaBroker#createTopic}. */
  public void createTopic(String name, int partitions, Map<String, String> config) {
    KafkaTopics.create(bootstrapServers(), name, partitions, config);
  }

  /** Process id of the running broker, for signals this class does not send, such as SIGSTOP. */
  public long pid() {
    return running("read the process id").pid();
  }

  /** Kills the broker with SIGKILL and waits until it is gone; the data stays as after a crash. */
  public void kill() {
    Process victim = running("kill");
    victim.destroyForcibly();
    awaitEnd(victim);
    process = null;
  }

  /** Stops the broker in order and waits for the end. Does nothing to one that does not run. */
  public void stop() {
    Process stopping = process;
    if (stopping == null) {
      return;
    }
    stopping.destroy();
    if (!awaitEnd(stopping)) {
      stopping.destroyForcibly();
      awaitEnd(stopping);
    }
    process = null;
  }

  /**
   * Starts a stopped or killed broker on the same port with the same data, and waits until it
   * answers.
   */
  public void startAgain() {
    if (process != null) {
      throw new IllegalStateException("cannot start: " + this + " has not been stopped or killed");
    }
    try {
      Path output =
          Files.createTempFile(Files.createDirectories(logs), "kafka-" + port + "-", ".log");
      Process starting =
          new ProcessBuilder(command())
              .redirectErrorStream(true)
              .redirectOutput(output.toFile())
              .start();
      process = starting;
      awaitReady(starting, output);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot start " + this, e);
    }
  }

  /**
   * Ends the broker and deletes its data, unless the data directory was given. May be called twice.
   */
  @Override
  public void close() {
    if (process != null) {
      // Nobody will read the data of a closed broker that was temporary; an orderly stop would only
      // take longer.
      if (options.dataDirectory() == null) {
        kill();
      } else {
        stop();
      }
    }
    if (options.dataDirectory() == null) {
      Directories.delete(dataDirectory);
    }
    if (LOGS == null) {
      Directories.delete(logs);
    }
  }

  @Override
  public String toString() {
    return "Kafka process on port " + port + " (data in " + dataDirectory + ")";
  }

  private List<String> command() {
    List<String> command =
        JavaCommand.of(
            "-Xmx512m",
            "-cp",
            System.getProperty("java.class.path").replace("\"", ""),
            KafkaBrokerMain.class.getName(),
            "--with-parent",
            "--port",
            Integer.toString(port),
            "--data",
            dataDirectory.toString());
    KafkaBroker.Listener second = options.second();
    if (second != null) {
      command.addAll(List.of("--second", second.toString()));
    }
    options
        .settings()
        .forEach((name, value) -> command.addAll(List.of("--set", name + "=" + value)));
    return command;
  }

  private void awaitReady(Process starting, Path output) throws IOException {
    long deadline = System.nanoTime() + READY_WITHIN.toNanos();
    while (Files.readAllLines(output).stream()
        .noneMatch(line -> line.startsWith(KafkaBrokerMain.READY))) {
      if (!starting.isAlive() || System.nanoTime() > deadline) {
        throw new IllegalStateException(
            this
                + " was not ready within "
                + READY_WITHIN
                + ", it printed:\n"
                + Files.readString(output));
      }
      awaitEnd(starting, LOOK_EVERY_MILLIS);
    }
  }

  private Process running(String action) {
    Process current = process;
    if (current == null) {
      throw new IllegalStateException("cannot " + action + ": " + this + " does not run");
    }
    return current;
  }

  private static boolean awaitEnd(Process ending) {
    return awaitEnd(ending, STOPPED_WITHIN.toMillis());
  }

  private static boolean awaitEnd(Process ending, long millis) {
    try {
      return ending.waitFor(millis, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while waiting for a Kafka process", e);
    }
  }
}
