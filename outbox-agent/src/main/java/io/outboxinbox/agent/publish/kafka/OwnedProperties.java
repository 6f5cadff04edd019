package io.outboxinbox.agent.publish.kafka;

import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;

/** Client properties that belong to the agent, each with the promise it would break. */
final class OwnedProperties {
  private static final String EXACTLY_ONCE = "exactly-once rests on it";
  private static final String OWN_FORMAT = "the agent writes bytes of its own format";
  private static final String READS_POSITION = "it is how the agent reads back its own position";

  private static final String WITHIN_TRANSACTION = "it follows from publish.transactionTimeout";

  /** Why, by property. */
  static final Map<String, String> REASONS =
      Map.ofEntries(
          Map.entry(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, "write publish.bootstrapServers"),
          Map.entry(
              ProducerConfig.TRANSACTIONAL_ID_CONFIG,
              "it is derived from the source, so that a second agent shuts the first one out"),
          Map.entry(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG, "write publish.transactionTimeout"),
          Map.entry(
              ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG,
              "it follows from publish.transactionTimeout and has to stay below it"),
          Map.entry(ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG, WITHIN_TRANSACTION),
          Map.entry(ProducerConfig.MAX_BLOCK_MS_CONFIG, WITHIN_TRANSACTION),
          Map.entry(ProducerConfig.CLIENT_ID_CONFIG, "it names the source in the broker's log"),
          Map.entry(ProducerConfig.ACKS_CONFIG, EXACTLY_ONCE),
          Map.entry(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, EXACTLY_ONCE),
          Map.entry(
              ProducerConfig.MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION, "order per key rests on it"),
          Map.entry(ProducerConfig.RETRIES_CONFIG, "publish.transactionTimeout bounds retries"),
          Map.entry(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, OWN_FORMAT),
          Map.entry(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, OWN_FORMAT),
          Map.entry(ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG, OWN_FORMAT),
          Map.entry(ConsumerConfig.VALUE_DESERIALIZER_CLASS_CONFIG, OWN_FORMAT),
          Map.entry(ConsumerConfig.ISOLATION_LEVEL_CONFIG, READS_POSITION),
          Map.entry(ConsumerConfig.GROUP_ID_CONFIG, READS_POSITION),
          Map.entry(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, READS_POSITION),
          Map.entry(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, READS_POSITION),
          Map.entry(ProducerConfig.PARTITIONER_CLASS_CONFIG, "order per key rests on the default"),
          Map.entry(
              ProducerConfig.INTERCEPTOR_CLASSES_CONFIG,
              "an interceptor may change events after they were routed and counted"),
          Map.entry(
              ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG,
              "a misspelt topic would come into being"));

  private OwnedProperties() {}
}
