package io.outboxinbox.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
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
  private static final Duration LOOK_EVERY = Duration.ofMillis(50);

  /** Where what brokers print is kept, to be read when a test has failed; null to keep none. */
  private static final @Nullable String LOGS = System.getProperty("testkit.logs");

  private final KafkaBroker.Options options;
  private final int port;
  private final Path dataDirectory;
  private final ChildProcess process;

  private KafkaBrokerProcess(KafkaBroker.Options options) {
    this.options = options;
    this.port = options.port() == 0 ? FreePorts.pick() : options.port();
    this.dataDirectory =
        options.dataDirectory() == null
            ? Directories.temporary("kafka")
            : options.dataDirectory().toAbsolutePath();
    try {
      this.process = new ChildProcess("Kafka on port " + port, command(), log(port));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot create the broker's output file", e);
    }
  }

  private static Path log(int port) throws IOException {
    String name = "kafka-" + port + "-";
    return LOGS == null
        ? Files.createTempFile(name, ".log")
        : Files.createTempFile(Files.createDirectories(Path.of(LOGS)), name, ".log");
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
    return process.pid();
  }

  /** Kills the broker with SIGKILL and waits until it is gone; the data stays as after a crash. */
  public void kill() {
    process.kill();
  }

  /** Stops the broker in order and waits for the end. Does nothing to one that does not run. */
  public void stop() {
    if (process.isAlive()) {
      process.stop();
    }
  }

  /**
   * Starts a stopped or killed broker on the same port with the same data, and waits until it
   * answers.
   */
  public void startAgain() {
    int before = readyLines();
    process.start();
    long deadline = System.nanoTime() + READY_WITHIN.toNanos();
    while (readyLines() == before) {
      if (!process.isAlive() || System.nanoTime() > deadline) {
        throw new IllegalStateException(
            "%s was not ready within %s, it printed:%n%s"
                .formatted(this, READY_WITHIN, process.lastPrinted()));
      }
      process.awaitEnd(LOOK_EVERY);
    }
  }

  /** One for each of its lives. */
  private int readyLines() {
    return (int)
        process.printed().lines().filter(line -> line.startsWith(KafkaBrokerMain.READY)).count();
  }

  /**
   * Ends the broker and deletes its data, unless the data directory was given. May be called twice.
   */
  @Override
  public void close() {
    // Nobody will read the data of a closed broker that was temporary; an orderly stop would only
    // take longer.
    if (options.dataDirectory() != null) {
      stop();
    }
    process.close();
    if (options.dataDirectory() == null) {
      Directories.delete(dataDirectory);
    }
    if (LOGS == null) {
      Directories.delete(process.log());
    }
  }

  @Override
  public String toString() {
    return "Kafka process on port " + port + " (data in " + dataDirectory + ")";
  }

  private List<String> command() {
    List<String> command =
        ChildProcess.java(
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
}
