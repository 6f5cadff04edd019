package io.outboxinbox.testkit;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.clients.admin.Admin;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;

/**
 * A Kafka broker for a test class. The broker is shared by the whole test run, topics are not:
 *
 * <pre>{@code
 * @RegisterExtension
 * static final KafkaExtension kafka = KafkaExtension.shared();
 *
 * @Test
 * void publishes() {
 *   String topic = kafka.newTopic("orders", 3);
 * }
 * }</pre>
 *
 * <p>Topics made by {@link #newTopic} are deleted after the class. To stop or kill a broker, start
 * a {@link KafkaBroker} or a {@link KafkaBrokerProcess} of your own.
 *
 * <p>With {@code -Dtestkit=containers} the broker is a container of the official image. That needs
 * Testcontainers on the class path and a Docker engine; the error says which of them is missing.
 */
public final class KafkaExtension
    implements BeforeAllCallback, BeforeEachCallback, AfterAllCallback {
  private final List<String> topics = new ArrayList<>();
  private @Nullable String bootstrapServers;

  private KafkaExtension() {}

  /** Shares one broker with every other class of the test run. */
  public static KafkaExtension shared() {
    return new KafkaExtension();
  }

  public String bootstrapServers() {
    String current = bootstrapServers;
    if (current == null) {
      throw new IllegalStateException(
          "the Kafka extension has not started yet; annotate its field with @RegisterExtension"
              + " and use it from @BeforeAll on");
    }
    return current;
  }

  /** A new client for administration, which the caller closes. */
  public Admin admin() {
    return KafkaTopics.admin(bootstrapServers());
  }

  /**
   * Creates a topic.
   *
   * @return the unique name, which starts with the prefix
   */
  public String newTopic(String prefix, int partitions) {
    return newTopic(prefix, partitions, Map.of());
  }

  /** As {@link #newTopic(String, int)}, with settings such as {@code cleanup.policy=compact}. */
  public String newTopic(String prefix, int partitions, Map<String, String> config) {
    String name = prefix + "-" + UUID.randomUUID().toString().substring(0, 8);
    KafkaTopics.create(bootstrapServers(), name, partitions, config);
    topics.add(name);
    return name;
  }

  @Override
  public void beforeAll(ExtensionContext context) {
    startIn(context);
  }

  @Override
  public void beforeEach(ExtensionContext context) {
    // Not started yet if the field is not static.
    startIn(context);
  }

  @Override
  public void afterAll(ExtensionContext context) {
    if (!topics.isEmpty()) {
      KafkaTopics.delete(bootstrapServers(), topics);
      topics.clear();
    }
  }

  private void startIn(ExtensionContext context) {
    // The root's store lives as long as the test run, and JUnit closes what is in it.
    SharedBroker broker =
        context
            .getRoot()
            .getStore(Namespace.create(KafkaExtension.class))
            .getOrComputeIfAbsent("broker", key -> SharedBroker.start(), SharedBroker.class);
    bootstrapServers = broker.bootstrapServers();
  }

  /** What the root's store holds. */
  private record SharedBroker(String bootstrapServers, Runnable stop) implements AutoCloseable {
    static SharedBroker start() {
      if (Backend.chosen() == Backend.EMBEDDED) {
        KafkaBroker broker = KafkaBroker.start();
        return new SharedBroker(broker.bootstrapServers(), broker::close);
      }
      try {
        var started = Containers.kafka();
        return new SharedBroker(started.address(), started.stop());
      } catch (NoClassDefFoundError e) {
        throw Backend.missing(e);
      }
    }

    @Override
    public void close() {
      stop.run();
    }
  }
}
