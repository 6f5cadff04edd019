package io.outboxinbox.agent.publish.kafka;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonTypeName;
import io.dropwizard.validation.selfvalidating.SelfValidating;
import io.dropwizard.validation.selfvalidating.SelfValidation;
import io.dropwizard.validation.selfvalidating.ViolationCollector;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Positions;
import io.outboxinbox.agent.publish.PublishConfiguration;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.publish.Replayer;
import jakarta.validation.constraints.NotBlank;
import jakarta.validation.constraints.Pattern;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.CommonClientConfigs;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.common.config.SslConfigs;
import org.hibernate.validator.constraints.Range;
import org.hibernate.validator.constraints.time.DurationMax;
import org.hibernate.validator.constraints.time.DurationMin;

/**
 * Block {@code publish} with {@code type: kafka}.
 *
 * @param positionTopic compacted topic with one checkpoint per source
 * @param positionReplicationFactor used when the agent creates the topic
 * @param transactionTimeout how long a dead agent may hold back read_committed consumers
 * @param properties passed to every Kafka client as they are: security, sasl, ssl, compression
 */
@SelfValidating
@JsonTypeName("kafka")
public record KafkaConfiguration(
    @NotBlank(message = "must be host:port, several separated by commas") String bootstrapServers,
    @JsonProperty(defaultValue = "outbox-agent-positions")
        @Pattern(
            regexp = "[a-zA-Z0-9._-]{1,249}",
            message = "must be 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'")
        String positionTopic,
    @JsonProperty(defaultValue = "3") @Range(min = 1, max = 9, message = "must be 1 to 9")
        short positionReplicationFactor,
    @JsonProperty(defaultValue = "20s")
        @DurationMin(seconds = 5, message = "must be 5s to 15m")
        @DurationMax(minutes = 15, message = "must be 5s to 15m")
        Duration transactionTimeout,
    @JsonProperty(defaultValue = "{}") Map<String, String> properties)
    implements PublishConfiguration {

  /** Faults that need more than one key to see. */
  @SelfValidation
  public void checkProperties(ViolationCollector faults) {
    if (properties == null || transactionTimeout == null) {
      return;
    }
    Map<String, String> faulty =
        PropertyFaults.of(properties, sendTimeout().minus(requestTimeout()).toMillis());
    faulty.forEach((key, fault) -> faults.addViolation("properties." + key, fault));
  }

  /**
   * A send must have failed before the broker gives the transaction up, or the failure would look
   * like somebody else's abort.
   */
  Duration sendTimeout() {
    return transactionTimeout.multipliedBy(3).dividedBy(4);
  }

  private Duration requestTimeout() {
    return transactionTimeout.dividedBy(3);
  }

  @Override
  public Publisher newPublisher(Positions ofDatabase) {
    return new KafkaPublisher(this);
  }

  @Override
  public Replayer newReplayer() {
    return new KafkaReplayer(this);
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
    return PropertyFaults.maxRequestBytes(properties);
  }

  Map<String, Object> producerProperties(String transactionalId) {
    long transactionMillis = transactionTimeout.toMillis();
    Map<String, Object> producer = new HashMap<>();
    // Larger batches than Kafka's default: a whole poll is sent at once and then committed.
    producer.put("batch.size", 128 * 1024);
    producer.put("linger.ms", 5);
    // A transaction that begins while the broker still finishes the one before is told to try
    // again; Kafka's default of 100 ms would be most of the latency then. Real trouble backs off.
    producer.put("retry.backoff.ms", 5);
    producer.put("retry.backoff.max.ms", 1_000);
    producer.putAll(properties);
    producer.put("bootstrap.servers", bootstrapServers);
    producer.put("client.id", transactionalId.replace('/', '-'));
    producer.put("transactional.id", transactionalId);
    producer.put("transaction.timeout.ms", (int) transactionMillis);
    producer.put("enable.idempotence", true);
    producer.put("acks", "all");
    producer.put("delivery.timeout.ms", (int) sendTimeout().toMillis());
    producer.put("request.timeout.ms", (int) requestTimeout().toMillis());
    producer.put("max.block.ms", transactionMillis);
    return producer;
  }

  Map<String, Object> consumerProperties() {
    Map<String, Object> consumer = new HashMap<>(connectionProperties());
    consumer.put("isolation.level", "read_committed");
    consumer.put("enable.auto.commit", false);
    consumer.put("allow.auto.create.topics", false);
    // A takeover waits for it: an answer that may have to wait for a marker is asked for again
    // soon, instead of being held by the broker for half a second.
    consumer.put("fetch.max.wait.ms", 20);
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
          if (OwnedProperties.isSecurity(key) || AdminClientConfig.configNames().contains(key)) {
            connection.put(key, value);
          }
        });
    connection.put("bootstrap.servers", bootstrapServers);
    connection.put("client.id", "outbox-agent");
    return connection;
  }

  @Override
  public List<Finding> cautions() {
    Finding.Collector cautions = new Finding.Collector();
    String protocol =
        properties.getOrDefault(
            CommonClientConfigs.SECURITY_PROTOCOL_CONFIG,
            CommonClientConfigs.DEFAULT_SECURITY_PROTOCOL);
    if (protocol.endsWith("PLAINTEXT")) {
      cautions.warning(
          "publish.properties security.protocol is %s: events cross the network in clear text"
              .formatted(protocol),
          "set security.protocol: SASL_SSL or SSL");
    } else if (properties
        .getOrDefault(SslConfigs.SSL_ENDPOINT_IDENTIFICATION_ALGORITHM_CONFIG, "https")
        .isBlank()) {
      cautions.warning(
          "publish.properties ssl.endpoint.identification.algorithm is empty: the broker's name is not checked",
          "remove the key");
    }
    return cautions.found();
  }

  /** Without the properties' values, which hold credentials. */
  @Override
  public String toString() {
    return "KafkaConfiguration[bootstrapServers=%s, positionTopic=%s, transactionTimeout=%s, properties=%s]"
        .formatted(bootstrapServers, positionTopic, transactionTimeout, properties.keySet());
  }
}
