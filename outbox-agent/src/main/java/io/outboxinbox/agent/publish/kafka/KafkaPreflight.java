package io.outboxinbox.agent.publish.kafka;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Finding;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.KafkaException;

/** Looks at the cluster without changing it. */
final class KafkaPreflight {
  private static final int TRANSACTION_VERSION = 2;

  private KafkaPreflight() {}

  /**
   * Looks.
   *
   * @throws AgentException.Retryable the broker is away or does not answer
   */
  static List<Finding> check(KafkaConfiguration kafka, List<String> fixedTopics) {
    List<Finding> findings = new ArrayList<>();
    try (TopicCatalog topics = new TopicCatalog(kafka)) {
      findings.add(transactions(topics));
      findings.add(positionTopic(kafka, topics));
      for (String topic : fixedTopics) {
        findings.add(topic(topics, topic));
      }
    } catch (AgentException.Retryable e) {
      // A broker that is away passes by itself; nobody has to mend the configuration.
      throw e;
    } catch (AgentException | KafkaException e) {
      findings.add(
          Finding.misconfigured(
              "kafka bootstrapServers=" + kafka.bootstrapServers() + ": " + e.getMessage(),
              "check bootstrapServers and security settings"));
    }
    return findings;
  }

  private static Finding transactions(TopicCatalog topics) {
    int version = topics.transactionVersion();
    return version >= TRANSACTION_VERSION
        ? Finding.ok("kafka transaction.version=" + version)
        : Finding.misconfigured(
            "kafka transaction.version is "
                + version
                + "; exactly-once needs "
                + TRANSACTION_VERSION
                + ", where the broker can tell a zombie's writes from ours",
            "kafka-features.sh upgrade --feature transaction.version=" + TRANSACTION_VERSION);
  }

  private static Finding positionTopic(KafkaConfiguration kafka, TopicCatalog topics) {
    String name = kafka.positionTopic();
    return topics
        .find(name)
        .map(
            topic ->
                topic.cleanupPolicy().equals("compact")
                    ? Finding.ok("kafka topic " + name + " is compacted")
                    : Finding.misconfigured(
                        "kafka topic "
                            + name
                            + " has cleanup.policy="
                            + topic.cleanupPolicy()
                            + "; checkpoints would expire, it must be compact",
                        "kafka-configs.sh --alter --entity-type topics --entity-name "
                            + name
                            + " --add-config cleanup.policy=compact"))
        .orElseGet(
            () ->
                Finding.ok(
                    "kafka topic "
                        + name
                        + " does not exist; the agent creates it with replication factor "
                        + kafka.positionReplicationFactor()));
  }

  private static Finding topic(TopicCatalog topics, String name) {
    return topics
        .find(name)
        .map(topic -> Finding.ok("kafka topic " + name + " exists"))
        .orElseGet(
            () ->
                Finding.misconfigured(
                    "kafka topic " + name + " does not exist; the agent creates no event topics",
                    "kafka-topics.sh --create --topic " + name));
  }
}
