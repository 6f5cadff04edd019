package io.outboxinbox.agent.publish.kafka;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.AgentException.Retryable.Side;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.ClusterAuthorizationException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.TopicAuthorizationException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.jspecify.annotations.Nullable;

/**
 * What we know of the cluster's topics. Used by one thread but where a method says otherwise; close
 * it.
 */
final class TopicCatalog implements AutoCloseable {
  private static final Duration TIMEOUT = Duration.ofSeconds(4);

  /** How late a topic just created, or a limit just raised, may be noticed. */
  private static final Duration MISSING_FOR = Duration.ofSeconds(3);

  private static final int MISSING_MAX = 1000;

  private static final int PARTITIONS_AT_ONCE = 100;

  /** Enough to keep sources apart, few enough to read quickly. */
  private static final int POSITION_PARTITIONS = 8;

  private static final int POSITION_SEGMENT_BYTES = 64 << 20;

  /** Limits of one topic, and when they were asked for, by {@link System#nanoTime}. */
  record Topic(int partitions, int maxMessageBytes, String cleanupPolicy, long askedNanos) {}

  private static final String MAKES_TOPICS = "auto.create.topics.enable";

  private final Admin admin;
  private final String servers;
  private final KafkaTools tools;
  private final Map<String, Topic> known = new ConcurrentHashMap<>();

  /** When each was last seen not to be there, by {@link System#nanoTime}. */
  private final Map<String, Long> missing = new HashMap<>();

  TopicCatalog(KafkaConfiguration kafka) {
    this.admin = Admin.create(kafka.adminProperties());
    this.servers = kafka.bootstrapServers();
    this.tools = new KafkaTools(kafka);
  }

  /**
   * Looks a topic up: once if it is there, now and then if it is not.
   *
   * @return empty when the cluster has no such topic
   * @throws AgentException.Retryable the cluster does not answer
   */
  Optional<Topic> find(String name) {
    Topic topic = known.get(name);
    if (topic == null && !wasMissing(name)) {
      topic = describe(name);
      if (topic == null) {
        missing.put(name, System.nanoTime());
      } else {
        known.put(name, topic);
      }
    }
    return Optional.ofNullable(topic);
  }

  /**
   * As {@link #find}, but asks again when the answer is a few seconds old. For an event that
   * exceeds a limit: an operator may have raised it since, to have the event released.
   */
  Optional<Topic> findAnew(String name) {
    Topic topic = known.get(name);
    if (topic != null && System.nanoTime() - topic.askedNanos() >= MISSING_FOR.toNanos()) {
      known.remove(name);
    }
    return find(name);
  }

  /**
   * Rows choose topics, so a flood of unknown ones must cost neither a request each nor the heap.
   */
  private boolean wasMissing(String name) {
    Long since = missing.get(name);
    if (since != null && System.nanoTime() - since < MISSING_FOR.toNanos()) {
      return true;
    }
    if (missing.size() >= MISSING_MAX) {
      missing.clear();
    }
    return false;
  }

  int partitions(String name) {
    return find(name)
        .map(Topic::partitions)
        .orElseThrow(
            () ->
                new AgentException.Retryable(
                    Side.BROKER, "kafka topic=" + name + " does not exist"));
  }

  /** Creates the compacted topic for checkpoints unless it is there. */
  void createPositionTopic(String name, short replicationFactor) {
    // Asked first: who may not create topics may still use one that is there.
    if (find(name).isPresent()) {
      return;
    }
    NewTopic topic =
        new NewTopic(name, POSITION_PARTITIONS, replicationFactor)
            .configs(
                Map.of(
                    TopicConfig.CLEANUP_POLICY_CONFIG,
                    TopicConfig.CLEANUP_POLICY_COMPACT,
                    // Only closed segments are compacted, and Kafka's own size is days of records.
                    TopicConfig.SEGMENT_BYTES_CONFIG,
                    String.valueOf(POSITION_SEGMENT_BYTES),
                    // A checkpoint acknowledged by one replica only could be lost with it.
                    TopicConfig.MIN_IN_SYNC_REPLICAS_CONFIG,
                    replicationFactor >= 3 ? "2" : "1"));
    missing.remove(name);
    try {
      get(admin.createTopics(List.of(topic)).all());
    } catch (ExecutionException e) {
      if (e.getCause() instanceof InvalidReplicationFactorException
          || e.getCause() instanceof TopicAuthorizationException
          || e.getCause() instanceof ClusterAuthorizationException) {
        throw new AgentException.Misconfigured(
            "kafka topic %s could not be created with replication factor %d: %s"
                .formatted(name, replicationFactor, e.getCause().getMessage()),
            "set publish.positionReplicationFactor to at most the number of brokers; or create the topic: "
                + tools.createPositionTopic(name, POSITION_PARTITIONS, 1));
      }
      if (!(e.getCause() instanceof TopicExistsException)) {
        throw retryable("creating topic " + name, e);
      }
    }
  }

  /** Every topic this client may see, without the broker's own. */
  Set<String> names() {
    return ask("listing topics", admin.listTopics().names());
  }

  /** The cluster's id; null where it has none. */
  @Nullable String cluster() {
    return ask("reading the cluster's id", admin.describeCluster().clusterId());
  }

  /** How many brokers the cluster has at present. */
  int brokers() {
    return nodes().size();
  }

  /** Whether a client that names a topic by mistake makes it; false where we may not ask. */
  boolean makesTopicsByItself() {
    ConfigResource broker =
        new ConfigResource(ConfigResource.Type.BROKER, nodes().iterator().next().idString());
    try {
      ConfigEntry makes =
          get(admin.describeConfigs(List.of(broker)).values().get(broker)).get(MAKES_TOPICS);
      return makes != null && Boolean.parseBoolean(makes.value());
    } catch (ExecutionException e) {
      if (e.getCause() instanceof AuthorizationException) {
        return false;
      }
      throw retryable("reading the settings of broker " + broker.name(), e);
    }
  }

  private Collection<Node> nodes() {
    return ask("listing the brokers", admin.describeCluster().nodes());
  }

  Map<TopicPartition, Long> highWatermarks(List<TopicPartition> partitions) {
    return endOffsets(partitions, IsolationLevel.READ_UNCOMMITTED);
  }

  /** All partitions of the topics looked up so far; may be asked by another thread. */
  List<TopicPartition> knownPartitions() {
    List<TopicPartition> partitions = new ArrayList<>();
    known.forEach(
        (name, topic) -> {
          for (int i = 0; i < topic.partitions(); i++) {
            partitions.add(new TopicPartition(name, i));
          }
        });
    return partitions;
  }

  /**
   * Ends as consumers of this isolation level see them; may be asked by another thread.
   *
   * @throws AgentException.Retryable the cluster does not answer
   */
  Map<TopicPartition, Long> endOffsets(List<TopicPartition> partitions, IsolationLevel isolation) {
    return offsets(partitions, OffsetSpec.latest(), isolation);
  }

  /**
   * The first message at or after a time in each partition, whether its transaction is committed,
   * aborted or open. A {@code read_committed} consumer would not do: to it the broker names no
   * message at or behind the first open transaction, whoever opened it.
   *
   * @return no entry for partitions without such a message
   * @throws AgentException.Retryable the cluster does not answer
   */
  Map<TopicPartition, Long> offsetsSince(List<TopicPartition> partitions, Instant since) {
    return offsets(
        partitions, OffsetSpec.forTimestamp(since.toEpochMilli()), IsolationLevel.READ_UNCOMMITTED);
  }

  /** In portions, each with its own time: brokers look times up partition by partition. */
  private Map<TopicPartition, Long> offsets(
      List<TopicPartition> partitions, OffsetSpec spec, IsolationLevel isolation) {
    Map<TopicPartition, Long> offsets = new HashMap<>();
    ListOffsetsOptions options = new ListOffsetsOptions(isolation);
    for (int from = 0; from < partitions.size(); from += PARTITIONS_AT_ONCE) {
      int to = Math.min(from + PARTITIONS_AT_ONCE, partitions.size());
      Map<TopicPartition, OffsetSpec> portion =
          partitions.subList(from, to).stream().collect(Collectors.toMap(p -> p, p -> spec));
      ask("reading offsets of " + portion.keySet(), admin.listOffsets(portion, options).all())
          .forEach(
              (partition, info) -> {
                if (info.offset() >= 0) {
                  offsets.put(partition, info.offset());
                }
              });
    }
    return offsets;
  }

  /** The finalized level of {@code transaction.version}; 0 where the cluster knows none. */
  int transactionVersion() {
    var feature =
        ask("reading the cluster's features", admin.describeFeatures().featureMetadata())
            .finalizedFeatures()
            .get("transaction.version");
    return feature == null ? 0 : feature.maxVersionLevel();
  }

  private @Nullable Topic describe(String name) {
    ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, name);
    try {
      TopicDescription description =
          get(admin.describeTopics(List.of(name)).topicNameValues().get(name));
      Config config = get(admin.describeConfigs(List.of(resource)).values().get(resource));
      return new Topic(
          description.partitions().size(),
          Integer.parseInt(config.get(TopicConfig.MAX_MESSAGE_BYTES_CONFIG).value()),
          config.get(TopicConfig.CLEANUP_POLICY_CONFIG).value(),
          System.nanoTime());
    } catch (ExecutionException e) {
      if (e.getCause() instanceof UnknownTopicOrPartitionException
          || e.getCause() instanceof InvalidTopicException) {
        return null;
      }
      throw retryable("describing topic " + name, e);
    }
  }

  /** As {@link #get}, where whatever the broker says passes by itself. */
  private <T> T ask(String doing, KafkaFuture<T> future) {
    try {
      return get(future);
    } catch (ExecutionException e) {
      throw retryable(doing, e);
    }
  }

  private <T> T get(@Nullable KafkaFuture<T> future) throws ExecutionException {
    try {
      return Objects.requireNonNull(future).get(TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      throw new AgentException.Retryable(
          Side.BROKER,
          "kafka %s did not answer within %ds; check publish.bootstrapServers"
              .formatted(servers, TIMEOUT.toSeconds()),
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AgentException.Retryable("interrupted while waiting for kafka", e);
    }
  }

  private AgentException retryable(String doing, ExecutionException e) {
    // The future wraps what the broker said; that is the part worth reading.
    Throwable cause = e.getCause() == null ? e : e.getCause();
    return new AgentException.Retryable(
        Side.BROKER, "kafka %s: %s failed: %s".formatted(servers, doing, Reasons.of(cause)), cause);
  }

  @Override
  public void close() {
    admin.close(Duration.ZERO);
  }
}
