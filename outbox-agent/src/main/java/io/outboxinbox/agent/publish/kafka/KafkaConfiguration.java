package io.outboxinbox.agent.publish.kafka;

import com.fasterxml.jackson.annotation.JsonTypeName;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.publish.PublishConfiguration;
import io.outboxinbox.agent.publish.Publisher;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Block {@code publish} with {@code type: kafka}.
 *
 * @param positionTopic compacted topic with one checkpoint per source
 * @param positionReplicationFactor used when the agent creates the topic
 * @param transactionTimeout how long a dead agent may hold back read_committed consumers
 * @param properties passed to every Kafka client as they are: security, sasl, ssl, compression
 */
@JsonTypeName("kafka")
public record KafkaConfiguration(
    String bootstrapServers,
    String positionTopic,
    short positionReplicationFactor,
    Duration transactionTimeout,
    Map<String, String> properties)
    implements PublishConfiguration {

  /** Kafka's own default of max.request.size. */
  private static final int MAX_REQUEST_BYTES = 1_048_576;

  @Override
  public Publisher newPublisher() {
    return new KafkaPublisher(this);
  }

  @Override
  public List<String> reservedTopics() {
    return List.of(positionTopic);
  }

  @Override
  public List<Finding> preflight(List<String> topics) {
    return KafkaPreflight.check(this, topics);
  }

  /** The largest record the producer will send. */
  int maxRequestBytes() {
    String configured = properties.get("max.request.size");
    return configured == null ? MAX_REQUEST_BYTES : Integer.parseInt(configured);
  }

  Map<String, Object> producerProperties(String transactionalId) {
    long transactionMillis = transactionTimeout.toMillis();
    Map<String, Object> producer = new HashMap<>();
    // Larger batches than Kafka's default: a whole poll is sent at once and then committed.
    producer.put("batch.size", 128 * 1024);
    producer.put("linger.ms", 5);
    producer.putAll(properties);
    producer.put("bootstrap.servers", bootstrapServers);
    producer.put("client.id", transactionalId.replace('/', '-'));
    producer.put("transactional.id", transactionalId);
    producer.put("transaction.timeout.ms", (int) transactionMillis);
    producer.put("enable.idempotence", true);
    producer.put("acks", "all");
    // A send must have failed before the broker gives the transaction up, or the failure would
    // look like somebody else's abort.
    producer.put("delivery.timeout.ms", (int) (transactionMillis * 3 / 4));
    producer.put("request.timeout.ms", (int) (transactionMillis / 3));
    producer.put("max.block.ms", transactionMillis);
    return producer;
  }

  Map<String, Object> consumerProperties() {
    Map<String, Object> consumer = new HashMap<>(connectionProperties());
    consumer.put("isolation.level", "read_committed");
    consumer.put("enable.auto.commit", false);
    consumer.put("allow.auto.create.topics", false);
    return consumer;
  }

  Map<String, Object> adminProperties() {
    Map<String, Object> admin = new HashMap<>(connectionProperties());
    admin.put("request.timeout.ms", 3_000);
    admin.put("default.api.timeout.ms", 4_000);
    return admin;
  }

  /** Producer tuning would only make the other clients warn about keys they do not know. */
  private Map<String, Object> connectionProperties() {
    Map<String, Object> connection = new HashMap<>();
    properties.forEach(
        (key, value) -> {
          if (key.startsWith("security.") || key.startsWith("sasl.") || key.startsWith("ssl.")) {
            connection.put(key, value);
          }
        });
    connection.put("bootstrap.servers", bootstrapServers);
    connection.put("client.id", "outbox-agent");
    return connection;
  }
}
