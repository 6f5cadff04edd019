package io.outboxinbox.agent.publish.kafka;

import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.CommonClientConfigs;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.AbstractConfig;

/**
 * Which client properties an operator may set. Those that belong to the agent come each with the
 * promise they would break; whatever is on neither list is refused, so that a property which a new
 * version of Kafka brings cannot break one unseen.
 */
final class OwnedProperties {
  private static final String EXACTLY_ONCE = "exactly-once rests on it";
  private static final String OWN_FORMAT = "the agent writes bytes of its own format";
  private static final String READS_POSITION = "it is how the agent reads back its own position";
  private static final String ORDER_PER_KEY = "order per key rests on it";
  private static final String ALWAYS_A_KEY = "it concerns events without a key, and there are none";
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
          Map.entry(ProducerConfig.MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION, ORDER_PER_KEY),
          Map.entry(ProducerConfig.RETRIES_CONFIG, "publish.transactionTimeout bounds retries"),
          Map.entry(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, OWN_FORMAT),
          Map.entry(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, OWN_FORMAT),
          Map.entry(ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG, OWN_FORMAT),
          Map.entry(ConsumerConfig.VALUE_DESERIALIZER_CLASS_CONFIG, OWN_FORMAT),
          Map.entry(ConsumerConfig.ISOLATION_LEVEL_CONFIG, READS_POSITION),
          Map.entry(ConsumerConfig.GROUP_ID_CONFIG, READS_POSITION),
          Map.entry(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, READS_POSITION),
          Map.entry(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, READS_POSITION),
          Map.entry(ProducerConfig.PARTITIONER_CLASS_CONFIG, ORDER_PER_KEY),
          Map.entry(ProducerConfig.PARTITIONER_IGNORE_KEYS_CONFIG, ORDER_PER_KEY),
          Map.entry(ProducerConfig.PARTITIONER_ADAPTIVE_PARTITIONING_ENABLE_CONFIG, ALWAYS_A_KEY),
          Map.entry(ProducerConfig.PARTITIONER_AVAILABILITY_TIMEOUT_MS_CONFIG, ALWAYS_A_KEY),
          Map.entry(
              ProducerConfig.TRANSACTION_TWO_PHASE_COMMIT_ENABLE_CONFIG,
              "the transaction of a dead agent would never end, and hold consumers up"),
          Map.entry(
              AbstractConfig.CONFIG_PROVIDERS_CONFIG,
              "write ${NAME} or ${file:/path} as the value"),
          Map.entry(
              ProducerConfig.INTERCEPTOR_CLASSES_CONFIG,
              "an interceptor may change events after they were routed and counted"),
          Map.entry(
              ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG,
              "a misspelt topic would come into being"));

  /** What no promise rests on: who connects how, and how much is sent at a time. */
  static final Set<String> PASSED_ON =
      Stream.concat(
              Stream.of(
                  ProducerConfig.BATCH_SIZE_CONFIG,
                  ProducerConfig.BUFFER_MEMORY_CONFIG,
                  ProducerConfig.CLIENT_DNS_LOOKUP_CONFIG,
                  ProducerConfig.COMPRESSION_GZIP_LEVEL_CONFIG,
                  ProducerConfig.COMPRESSION_LZ4_LEVEL_CONFIG,
                  ProducerConfig.COMPRESSION_TYPE_CONFIG,
                  ProducerConfig.COMPRESSION_ZSTD_LEVEL_CONFIG,
                  ProducerConfig.CONNECTIONS_MAX_IDLE_MS_CONFIG,
                  ProducerConfig.ENABLE_METRICS_PUSH_CONFIG,
                  ProducerConfig.LINGER_MS_CONFIG,
                  ProducerConfig.MAX_REQUEST_SIZE_CONFIG,
                  ProducerConfig.METADATA_MAX_AGE_CONFIG,
                  ProducerConfig.METADATA_MAX_IDLE_CONFIG,
                  CommonClientConfigs.METADATA_RECOVERY_REBOOTSTRAP_TRIGGER_MS_CONFIG,
                  CommonClientConfigs.METADATA_RECOVERY_STRATEGY_CONFIG,
                  ProducerConfig.METRIC_REPORTER_CLASSES_CONFIG,
                  ProducerConfig.METRICS_NUM_SAMPLES_CONFIG,
                  ProducerConfig.METRICS_RECORDING_LEVEL_CONFIG,
                  ProducerConfig.METRICS_SAMPLE_WINDOW_MS_CONFIG,
                  ProducerConfig.RECEIVE_BUFFER_CONFIG,
                  ProducerConfig.RECONNECT_BACKOFF_MAX_MS_CONFIG,
                  ProducerConfig.RECONNECT_BACKOFF_MS_CONFIG,
                  ProducerConfig.RETRY_BACKOFF_MAX_MS_CONFIG,
                  ProducerConfig.RETRY_BACKOFF_MS_CONFIG,
                  ProducerConfig.SEND_BUFFER_CONFIG,
                  ProducerConfig.SOCKET_CONNECTION_SETUP_TIMEOUT_MAX_MS_CONFIG,
                  ProducerConfig.SOCKET_CONNECTION_SETUP_TIMEOUT_MS_CONFIG),
              ProducerConfig.configNames().stream().filter(OwnedProperties::isSecurity))
          .collect(Collectors.toUnmodifiableSet());

  private OwnedProperties() {}

  static boolean isSecurity(String key) {
    return key.startsWith("security.") || key.startsWith("sasl.") || key.startsWith("ssl.");
  }
}
