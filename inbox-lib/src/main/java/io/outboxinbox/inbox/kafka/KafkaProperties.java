package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.InboxException;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** What of the Kafka consumer's properties is ours, and what is the caller's. */
final class KafkaProperties {
  /** Who holds up a rebalance holds up the whole group. */
  private static final Duration REVOKE_WITHIN = Duration.ofSeconds(10);

  private static final long MAX_POLL_INTERVAL_MILLIS = 300_000;

  /** What the promise rests on, and why. */
  private static final Map<String, String> OURS = new LinkedHashMap<>();

  static {
    OURS.put(
        ConsumerConfig.ISOLATION_LEVEL_CONFIG,
        "is read_committed, or messages of aborted transactions would have effects");
    OURS.put(
        ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG,
        "is false, or offsets would be committed before effects");
    OURS.put(ConsumerConfig.AUTO_COMMIT_INTERVAL_MS_CONFIG, "has no meaning without auto-commit");
    OURS.put(
        ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG,
        "keeps bytes; a message that cannot be read must reach the dead letters as it is");
    OURS.put(
        ConsumerConfig.VALUE_DESERIALIZER_CLASS_CONFIG,
        "keeps bytes; read the value in the handler");
  }

  private KafkaProperties() {}

  /** Checks the caller's properties and adds ours; every fault goes to the list. */
  static Map<String, Object> complete(Map<String, ?> given, List<String> faults) {
    Map<String, Object> properties = new HashMap<>(given);
    for (String required : List.of(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, "group.id")) {
      if (String.valueOf(properties.getOrDefault(required, "")).isBlank()) {
        faults.add("kafka property " + required + " is missing");
      }
    }
    OURS.forEach(
        (name, why) -> {
          if (given.containsKey(name)) {
            faults.add("kafka property " + name + " cannot be set: it " + why);
          }
        });
    properties.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
    properties.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
    properties.put(ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class);
    properties.put(ConsumerConfig.VALUE_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class);
    // Kafka's own default passes over what was sent before the group began, and, where offsets are
    // out of range, over what was never read.
    properties.putIfAbsent(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    return Map.copyOf(properties);
  }

  /** How long a rebalance may wait for running transactions: well within the group's patience. */
  static Duration revokeWithin(Map<String, Object> properties) {
    Object given = properties.get(ConsumerConfig.MAX_POLL_INTERVAL_MS_CONFIG);
    long maxPollIntervalMillis = MAX_POLL_INTERVAL_MILLIS;
    if (given != null) {
      try {
        maxPollIntervalMillis = Long.parseLong(given.toString().trim());
      } catch (NumberFormatException e) {
        throw new InboxException.Misconfigured(
            "kafka property max.poll.interval.ms is '" + given + "'", "use milliseconds");
      }
    }
    Duration half = Duration.ofMillis(maxPollIntervalMillis / 2);
    return half.compareTo(REVOKE_WITHIN) < 0 ? half : REVOKE_WITHIN;
  }

  /** Those that an administration client knows too: addresses, security, time limits. */
  static Map<String, Object> ofAdmin(Map<String, Object> properties) {
    Map<String, Object> admin = new HashMap<>(properties);
    admin.keySet().retainAll(AdminClientConfig.configNames());
    return admin;
  }
}
