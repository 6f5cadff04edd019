package io.outboxinbox.agent.publish.kafka;

import com.fasterxml.jackson.annotation.JsonTypeName;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.publish.PublishConfiguration;
import io.outboxinbox.agent.publish.Publisher;
import java.time.Duration;
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

  @Override
  public Publisher newPublisher() {
    throw new IllegalStateException("not wired yet");
  }

  @Override
  public List<String> reservedTopics() {
    return List.of(positionTopic);
  }

  @Override
  public List<Finding> preflight(List<String> topics) {
    return List.of();
  }
}
