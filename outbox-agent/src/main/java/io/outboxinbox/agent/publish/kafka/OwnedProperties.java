package io.outboxinbox.agent.publish.kafka;

import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.producer.ProducerConfig;

/**
 * Which client properties an operator may set. Those that belong to the agent come each with the
 * promise they would break; whatever is on neither list is refused, so that a property which a new
 * version of Kafka brings cannot break one unseen.
 */
final class OwnedProperties {
  /** Why, by property. */
  static final Map<String, String> REASONS =
      """
      bootstrap.servers: write publish.bootstrapServers
      transactional.id: it is derived from the source, so that a second agent shuts the first one out
      transaction.timeout.ms: write publish.transactionTimeout
      delivery.timeout.ms: it follows from publish.transactionTimeout and has to stay below it
      request.timeout.ms: it follows from publish.transactionTimeout
      max.block.ms: it follows from publish.transactionTimeout
      client.id: it names the source in the broker's log
      acks: exactly-once rests on it
      enable.idempotence: exactly-once rests on it
      max.in.flight.requests.per.connection: order per key rests on it
      retries: publish.transactionTimeout bounds retries
      key.serializer: the agent writes bytes of its own format
      value.serializer: the agent writes bytes of its own format
      key.deserializer: the agent writes bytes of its own format
      value.deserializer: the agent writes bytes of its own format
      isolation.level: it is how the agent reads back its own position
      group.id: it is how the agent reads back its own position
      enable.auto.commit: it is how the agent reads back its own position
      auto.offset.reset: it is how the agent reads back its own position
      partitioner.class: order per key rests on it
      partitioner.ignore.keys: order per key rests on it
      partitioner.adaptive.partitioning.enable: it concerns events without a key, and there are none
      partitioner.availability.timeout.ms: it concerns events without a key, and there are none
      transaction.two.phase.commit.enable: the transaction of a dead agent would never end, and hold consumers up
      config.providers: write ${NAME} or ${file:/path} as the value
      interceptor.classes: an interceptor may change events after they were routed and counted
      allow.auto.create.topics: a misspelt topic would come into being
      """
          .lines()
          .map(line -> line.split(": ", 2))
          .collect(Collectors.toUnmodifiableMap(line -> line[0], line -> line[1]));

  /** What no promise rests on: who connects how, and how much is sent at a time. */
  static final Set<String> PASSED_ON =
      Stream.concat(
              Pattern.compile("\\s+")
                  .splitAsStream(
                      """
                      batch.size buffer.memory client.dns.lookup
                      compression.gzip.level compression.lz4.level compression.type
                      compression.zstd.level connections.max.idle.ms enable.metrics.push linger.ms
                      max.request.size metadata.max.age.ms metadata.max.idle.ms
                      metadata.recovery.rebootstrap.trigger.ms metadata.recovery.strategy
                      metric.reporters metrics.num.samples metrics.recording.level
                      metrics.sample.window.ms receive.buffer.bytes reconnect.backoff.max.ms
                      reconnect.backoff.ms retry.backoff.max.ms retry.backoff.ms send.buffer.bytes
                      socket.connection.setup.timeout.max.ms socket.connection.setup.timeout.ms
                      """),
              ProducerConfig.configNames().stream().filter(OwnedProperties::isSecurity))
          .collect(Collectors.toUnmodifiableSet());

  private OwnedProperties() {}

  static boolean isSecurity(String key) {
    return key.startsWith("security.") || key.startsWith("sasl.") || key.startsWith("ssl.");
  }
}
