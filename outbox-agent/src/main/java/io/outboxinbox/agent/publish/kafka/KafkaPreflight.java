package io.outboxinbox.agent.publish.kafka;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Finding;
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
    Finding.Collector findings = new Finding.Collector();
    KafkaTools tools = new KafkaTools(kafka);
    try (TopicCatalog topics = new TopicCatalog(kafka)) {
      findings.add(transactions(topics, tools));
      findings.add(positionTopic(kafka, topics, tools));
      for (String topic : fixedTopics) {
        findings.add(topic(topics, topic, tools));
      }
      if (topics.makesTopicsByItself()) {
        findings.warning(
            "kafka auto.create.topics.enable=true: a topic deleted while the agent runs comes back with the broker's number of partitions, made by the broker",
            "set auto.create.topics.enable=false in server.properties of each broker, then restart them one by one");
      }
    } catch (AgentException.Retryable e) {
      // A broker that is away passes by itself; nobody has to mend the configuration.
      throw e;
    } catch (AgentException | KafkaException e) {
      findings.misconfigured(
          "kafka %s: %s".formatted(kafka.bootstrapServers(), e.getMessage()),
          "check bootstrapServers and security settings");
    }
    return findings.found();
  }

  private static Finding transactions(TopicCatalog topics, KafkaTools tools) {
    int version = topics.transactionVersion();
    return version >= TRANSACTION_VERSION
        ? Finding.ok("kafka transaction.version=" + version)
        : Finding.misconfigured(
            "kafka transaction.version is %d; exactly-once needs %d, where the broker can tell a zombie's writes from ours"
                .formatted(version, TRANSACTION_VERSION),
            tools.upgrade("transaction.version", TRANSACTION_VERSION));
  }

  private static Finding positionTopic(
      KafkaConfiguration kafka, TopicCatalog topics, KafkaTools tools) {
    String name = kafka.positionTopic();
    return topics
        .find(name)
        .map(
            topic ->
                topic.cleanupPolicy().equals("compact")
                    ? Finding.ok("kafka topic " + name + " is compacted")
                    : Finding.misconfigured(
                        "kafka topic %s has cleanup.policy=%s; checkpoints would expire, it must be compact"
                            .formatted(name, topic.cleanupPolicy()),
                        tools.compact(name)))
        .orElseGet(() -> newPositionTopic(kafka, topics));
  }

  private static Finding newPositionTopic(KafkaConfiguration kafka, TopicCatalog topics) {
    int replicas = kafka.positionReplicationFactor();
    int brokers = topics.brokers();
    return replicas <= brokers
        ? Finding.ok(
            "kafka topic %s does not exist; the agent creates it with replication factor %d"
                .formatted(kafka.positionTopic(), replicas))
        : Finding.misconfigured(
            "kafka topic %s does not exist, and publish.positionReplicationFactor is %d; the cluster has %d broker%s"
                .formatted(kafka.positionTopic(), replicas, brokers, brokers == 1 ? "" : "s"),
            "start the missing brokers; or, where losing a broker may lose the position, set publish.positionReplicationFactor: %d"
                .formatted(brokers));
  }

  private static Finding topic(TopicCatalog topics, String name, KafkaTools tools) {
    return topics
        .find(name)
        .map(topic -> Finding.ok("kafka topic " + name + " exists"))
        .orElseGet(
            () ->
                Finding.misconfigured(
                    "kafka topic " + name + " does not exist; the agent creates no event topics",
                    tools.createTopic(name)));
  }
}
