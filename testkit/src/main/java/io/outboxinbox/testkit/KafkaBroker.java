package io.outboxinbox.testkit;

import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import kafka.server.KafkaConfig;
import kafka.server.KafkaRaftServer;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.metadata.storage.Formatter;
import org.jspecify.annotations.Nullable;

/**
 * A real Kafka broker (KRaft, one node that is broker and controller) in this JVM, on the loopback
 * address, with transactions of the second version as a Kafka 4 cluster has them.
 *
 * <p>It can be stopped and started again on the same port with the same data. To kill one, see
 * {@link KafkaBrokerProcess}. Any thread may use it, but not two at a time for start and stop. Who
 * starts it closes it.
 */
public final class KafkaBroker implements AutoCloseable {
  // Before Kafka's class is loaded, and once in a JVM.
  static {
    LeaderlessPartitions.mend();
  }

  private static final Map<String, String> DEFAULT_SETTINGS =
      Map.ofEntries(
          // A misspelt topic must fail in a test as it does in a well-kept cluster.
          Map.entry("auto.create.topics.enable", "false"),
          Map.entry("default.replication.factor", "1"),
          Map.entry("offsets.topic.replication.factor", "1"),
          Map.entry("transaction.state.log.replication.factor", "1"),
          Map.entry("transaction.state.log.min.isr", "1"),
          Map.entry("share.coordinator.state.topic.replication.factor", "1"),
          Map.entry("share.coordinator.state.topic.min.isr", "1"),
          // The defaults of 50 partitions each cost seconds of start time and prove nothing on one
          // node.
          Map.entry("offsets.topic.num.partitions", "4"),
          Map.entry("transaction.state.log.num.partitions", "4"),
          Map.entry("group.initial.rebalance.delay.ms", "0"),
          // A broker that was killed can register again only when the controller has given up its
          // predecessor; 9 s by default.
          // Shorter would fence a healthy broker on a busy machine.
          Map.entry("broker.session.timeout.ms", "4000"),
          Map.entry("broker.heartbeat.interval.ms", "500"));

  private enum State {
    /** Started, and nobody has stopped it. */
    RUNNING,
    /** Stopped; the data is there and {@link #startAgain} works. */
    STOPPED,
    /** Closed for good; temporary data is gone. */
    CLOSED
  }

  /**
   * A second address, for clients that shall come another way than the test itself: through a proxy
   * that stands between, or by name and password. Settings of it alone start with {@code
   * listener.name.second.}.
   *
   * @param port where the broker listens
   * @param advertisedPort where these clients are told to connect, such as the proxy's
   * @param protocol {@code PLAINTEXT} or {@code SASL_PLAINTEXT}
   */
  public record Listener(int port, int advertisedPort, String protocol) {
    static Listener parse(String text) {
      String[] parts = text.split(":", -1);
      if (parts.length != 3) {
        throw new IllegalArgumentException(
            "listener " + text + " must be port:advertisedPort:protocol");
      }
      return new Listener(Integer.parseInt(parts[0]), Integer.parseInt(parts[1]), parts[2]);
    }

    @Override
    public String toString() {
      return port + ":" + advertisedPort + ":" + protocol;
    }
  }

  /**
   * How to start a broker.
   *
   * @param port TCP port for clients, 0 for a free one
   * @param dataDirectory kept when the broker is closed and used again by the next one; null for a
   *     temporary directory
   * @param settings broker settings that add to or replace the defaults, such as {@code
   *     message.max.bytes}
   * @param second null for none
   */
  public record Options(
      int port,
      @Nullable Path dataDirectory,
      Map<String, String> settings,
      @Nullable Listener second) {

    public Options {
      settings = Map.copyOf(settings);
    }

    /** A free port, temporary data, default settings. */
    public static Options defaults() {
      return new Options(0, null, Map.of(), null);
    }

    public Options withPort(int port) {
      return new Options(port, dataDirectory, settings, second);
    }

    public Options withDataDirectory(Path dataDirectory) {
      return new Options(port, dataDirectory, settings, second);
    }

    public Options withSetting(String name, String value) {
      Map<String, String> more = new LinkedHashMap<>(settings);
      more.put(name, value);
      return new Options(port, dataDirectory, more, second);
    }

    public Options withSecondListener(Listener listener) {
      return new Options(port, dataDirectory, settings, listener);
    }
  }

  private final Options options;
  private final int port;
  private final Path dataDirectory;
  private State state = State.STOPPED;
  private @Nullable KafkaRaftServer server;

  private KafkaBroker(Options options) {
    this.options = options;
    this.port = options.port() == 0 ? FreePorts.pick() : options.port();
    this.dataDirectory =
        options.dataDirectory() == null
            ? Directories.temporary("kafka")
            : options.dataDirectory().toAbsolutePath();
  }

  /** Starts a broker with temporary data on a free port and waits until it answers. */
  public static KafkaBroker start() {
    return start(Options.defaults());
  }

  /**
   * Starts a broker and waits until it answers.
   *
   * @throws IllegalStateException its storage cannot be formatted; what else goes wrong comes as
   *     Kafka's own exception
   */
  public static KafkaBroker start(Options options) {
    QuietLog.ofKafka();
    KafkaBroker broker = new KafkaBroker(options);
    try {
      broker.formatOnce();
      broker.startAgain();
      return broker;
    } catch (RuntimeException e) {
      broker.deleteTemporaryData();
      throw e;
    }
  }

  public String bootstrapServers() {
    return "127.0.0.1:" + port;
  }

  public int port() {
    return port;
  }

  public Path dataDirectory() {
    return dataDirectory;
  }

  /** A new client for administration, which the caller closes. */
  public Admin admin() {
    return KafkaTopics.admin(bootstrapServers());
  }

  /**
   * Creates a topic and waits until it can be used.
   *
   * @param config settings of the topic, such as {@code cleanup.policy=compact}; may be empty
   */
  public void createTopic(String name, int partitions, Map<String, String> config) {
    KafkaTopics.create(bootstrapServers(), name, partitions, config);
  }

  /** Stops the broker and waits for the end. Does nothing to one that does not run. */
  public void stop() {
    if (state == State.RUNNING && server != null) {
      server.shutdown();
      server.awaitShutdown();
      server = null;
      state = State.STOPPED;
    }
  }

  /** Starts a stopped broker on the same port with the same data. */
  public void startAgain() {
    if (state != State.STOPPED) {
      throw new IllegalStateException(
          "cannot start: must be " + State.STOPPED + ", but this is " + this);
    }
    // The controller's port is only used inside this JVM, so it may change from start to start.
    KafkaRaftServer starting = new KafkaRaftServer(config(FreePorts.pick()), Time.SYSTEM);
    starting.startup();
    server = starting;
    state = State.RUNNING;
    KafkaTopics.awaitReady(bootstrapServers());
  }

  /**
   * Stops the broker and deletes its data, unless the data directory was given. May be called
   * twice.
   */
  @Override
  public void close() {
    if (state == State.CLOSED) {
      return;
    }
    stop();
    state = State.CLOSED;
    deleteTemporaryData();
  }

  @Override
  public String toString() {
    return "Kafka on port " + port + " (" + state + ", data in " + dataDirectory + ")";
  }

  private KafkaConfig config(int controllerPort) {
    Properties properties = new Properties();
    properties.putAll(DEFAULT_SETTINGS);
    properties.putAll(options.settings());
    properties.put("process.roles", "broker,controller");
    properties.put("node.id", "1");
    properties.put("controller.quorum.voters", "1@127.0.0.1:" + controllerPort);
    properties.put("controller.listener.names", "CONTROLLER");
    properties.put("log.dirs", dataDirectory.toString());
    String listeners =
        "PLAINTEXT://127.0.0.1:" + port + ",CONTROLLER://127.0.0.1:" + controllerPort;
    String advertised = "PLAINTEXT://127.0.0.1:" + port;
    String protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT";
    Listener second = options.second();
    if (second != null) {
      listeners += ",SECOND://127.0.0.1:" + second.port();
      advertised += ",SECOND://127.0.0.1:" + second.advertisedPort();
      protocols += ",SECOND:" + second.protocol();
    }
    properties.put("listeners", listeners);
    properties.put("advertised.listeners", advertised);
    properties.put("listener.security.protocol.map", protocols);
    // Its own traffic, such as commit markers, must not go through the test's proxy.
    properties.put("inter.broker.listener.name", "PLAINTEXT");
    return new KafkaConfig(properties, false);
  }

  private void formatOnce() {
    if (Files.exists(dataDirectory.resolve("meta.properties"))) {
      return;
    }
    Formatter formatter =
        new Formatter()
            .setPrintStream(
                new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8))
            .setClusterId(Uuid.randomUuid().toString())
            .setNodeId(1)
            .setControllerListenerName("CONTROLLER")
            .addDirectory(dataDirectory.toString())
            .setMetadataLogDirectory(dataDirectory.toString())
            .setFeatureLevel("transaction.version", (short) 2);
    try {
      Files.createDirectories(dataDirectory);
      formatter.run();
    } catch (Exception e) {
      throw new IllegalStateException("cannot format " + dataDirectory + " for Kafka", e);
    }
  }

  private void deleteTemporaryData() {
    if (options.dataDirectory() == null) {
      Directories.delete(dataDirectory);
    }
  }
}
