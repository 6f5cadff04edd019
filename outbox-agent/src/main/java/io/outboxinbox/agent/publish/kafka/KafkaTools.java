package io.outboxinbox.agent.publish.kafka;

/** Commands of Kafka's own tools for operators to copy; they run as they are printed. */
final class KafkaTools {
  /** A guess to be looked at: order per key does not survive a change of it. */
  private static final int EVENT_PARTITIONS = 6;

  private final String connection;

  KafkaTools(KafkaConfiguration kafka) {
    boolean needsLogin = kafka.properties().keySet().stream().anyMatch(OwnedProperties::isSecurity);
    this.connection =
        " --bootstrap-server "
            + kafka.bootstrapServers().replace(" ", "")
            // A file of the operator's own: ours may hold secrets that are not theirs.
            + (needsLogin ? " --command-config client.properties" : "");
  }

  String createTopic(String name) {
    return topics("--create --topic %s --partitions %d".formatted(name, EVENT_PARTITIONS));
  }

  String createPositionTopic(String name, int partitions, int replicationFactor) {
    return topics(
        "--create --topic %s --partitions %d --replication-factor %d --config cleanup.policy=compact"
            .formatted(name, partitions, replicationFactor));
  }

  String compact(String topic) {
    return "kafka-configs.sh"
        + connection
        + " --alter --entity-type topics --entity-name %s --add-config cleanup.policy=compact"
            .formatted(topic);
  }

  String upgrade(String feature, int version) {
    return "kafka-features.sh%s upgrade --feature %s=%d".formatted(connection, feature, version);
  }

  private String topics(String what) {
    return "kafka-topics.sh" + connection + " " + what;
  }
}
