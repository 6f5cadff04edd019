package io.outboxinbox.agent.publish.kafka;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.HeaderNames;
import io.outboxinbox.agent.publish.PublishedSearch;
import io.outboxinbox.agent.publish.Publisher.SearchScope;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.Deserializer;
import org.jspecify.annotations.Nullable;

/** Reads the headers of all topics events may have gone to. */
final class TopicSearch implements PublishedSearch {
  private static final Duration POLL = Duration.ofMillis(200);

  /** A foreign transaction may be open this long, and hides what is behind it. */
  private static final Duration STUCK_AFTER = Duration.ofMinutes(20);

  private static final int BATCH = 4_000;

  /** Bounds what is fetched ahead; only headers are kept. */
  private static final int FETCH_BYTES = 8 << 20;

  private static final Deserializer<byte[]> NOTHING = (topic, data) -> new byte[0];

  private final SearchScope scope;
  private final TopicCatalog topics;
  private final KafkaConsumer<byte[], byte[]> consumer;
  private final Map<TopicPartition, Long> ends;
  private final Map<TopicPartition, Long> starts = new HashMap<>();
  private final Set<TopicPartition> open = new LinkedHashSet<>();
  private final Set<String> compacted = new HashSet<>();
  private final List<String> gone = new ArrayList<>();
  private boolean hasEarlier;
  private long read;
  private long movedNanos = System.nanoTime();

  /**
   * Opens the search.
   *
   * @throws AgentException.Retryable the broker is away
   */
  TopicSearch(KafkaConfiguration kafka, TopicCatalog topics, SearchScope scope) {
    this.scope = scope;
    this.topics = topics;
    List<TopicPartition> partitions = new ArrayList<>();
    for (String topic : new TreeSet<>(topics.names())) {
      if (scope.topics().test(topic)) {
        topics.find(topic).ifPresent(found -> add(partitions, topic, found));
      }
    }
    this.ends = topics.highWatermarks(partitions);
    Map<String, Object> properties = new HashMap<>(kafka.consumerProperties());
    properties.put("max.poll.records", BATCH);
    properties.put("fetch.max.bytes", FETCH_BYTES);
    properties.put("max.partition.fetch.bytes", FETCH_BYTES / 8);
    // Keys of the other topics tell nothing that is needed.
    Deserializer<byte[]> keys = (topic, data) -> compacted.contains(topic) ? data : new byte[0];
    this.consumer = new KafkaConsumer<>(properties, keys, NOTHING);
    try {
      seek(partitions);
    } catch (KafkaException e) {
      close();
      throw failed(e);
    }
  }

  private void add(List<TopicPartition> partitions, String topic, TopicCatalog.Topic found) {
    for (int i = 0; i < found.partitions(); i++) {
      partitions.add(new TopicPartition(topic, i));
    }
    if (found.cleanupPolicy().contains("compact")) {
      compacted.add(topic);
      gone.add("topic " + topic + " is compacted: of each key only the latest message is sure");
    }
  }

  private void seek(List<TopicPartition> partitions) {
    consumer.assign(partitions);
    Map<TopicPartition, Long> beginnings = consumer.beginningOffsets(partitions);
    @Nullable Instant since = scope.since();
    Map<TopicPartition, Long> later =
        since == null ? beginnings : topics.offsetsSince(partitions, since);
    Set<String> shortened = new TreeSet<>();
    for (TopicPartition partition : partitions) {
      long beginning = beginnings.getOrDefault(partition, 0L);
      long end = ends.getOrDefault(partition, 0L);
      long from = later.getOrDefault(partition, end);
      if (from == beginning && beginning > 0) {
        shortened.add(partition.topic());
      }
      starts.put(partition, Math.min(from, end));
      hasEarlier |= beginning < Math.min(from, end);
      if (from < end) {
        consumer.seek(partition, from);
        open.add(partition);
      }
    }
    consumer.pause(partitions.stream().filter(partition -> !open.contains(partition)).toList());
    shortened.forEach(
        topic -> gone.add("topic " + topic + " does not keep messages as long as rows are kept"));
  }

  @Override
  public boolean isDone() {
    return open.isEmpty();
  }

  @Override
  public List<PublishedEvent> poll() {
    List<PublishedEvent> found = new ArrayList<>();
    try {
      for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
        TopicPartition partition = new TopicPartition(record.topic(), record.partition());
        if (record.offset() < ends.getOrDefault(partition, 0L)) {
          add(found, record);
        }
      }
      closeFinished();
    } catch (KafkaException e) {
      throw failed(e);
    }
    if (System.nanoTime() - movedNanos > STUCK_AFTER.toNanos()) {
      throw new AgentException.Retryable(
          "kafka: reading %s has not moved on for %s: a topic was deleted, or a transaction of another program hangs"
              .formatted(open.iterator().next(), STUCK_AFTER));
    }
    return found;
  }

  private void closeFinished() {
    List<TopicPartition> finished = new ArrayList<>();
    long position = 0;
    for (TopicPartition partition : starts.keySet()) {
      long end = ends.getOrDefault(partition, 0L);
      long start = starts.getOrDefault(partition, 0L);
      long at = open.contains(partition) ? Math.min(consumer.position(partition), end) : end;
      position += at - start;
      if (at == end && open.contains(partition)) {
        finished.add(partition);
      }
    }
    if (position > read) {
      read = position;
      movedNanos = System.nanoTime();
    }
    consumer.pause(finished);
    finished.forEach(open::remove);
  }

  private void add(List<PublishedEvent> found, ConsumerRecord<byte[], byte[]> record) {
    if (record.headers().lastHeader(scope.leftOut()) != null) {
      return;
    }
    for (HeaderNames names : scope.styles()) {
      @Nullable String id = header(record, names.id());
      if (id != null) {
        found.add(
            new PublishedEvent(
                id,
                header(record, HeaderNames.TABLE),
                header(record, names.sourceId()),
                names.source() == null ? null : header(record, names.source()),
                header(record, names.sequence()),
                record.topic(),
                record.partition(),
                record.offset(),
                Instant.ofEpochMilli(record.timestamp()),
                compacted.contains(record.topic()) ? record.key() : null));
        return;
      }
    }
  }

  @Override
  public boolean isCompacted(String topic) {
    return compacted.contains(topic);
  }

  private static @Nullable String header(ConsumerRecord<byte[], byte[]> record, String name) {
    @Nullable Header header = record.headers().lastHeader(name);
    return header == null || header.value() == null
        ? null
        : new String(header.value(), StandardCharsets.UTF_8);
  }

  @Override
  public long read() {
    return read;
  }

  @Override
  public long total() {
    return starts.keySet().stream()
        .mapToLong(p -> ends.getOrDefault(p, 0L) - starts.getOrDefault(p, 0L))
        .sum();
  }

  @Override
  public boolean hasEarlier() {
    return hasEarlier;
  }

  @Override
  public List<String> gone() {
    return List.copyOf(gone);
  }

  private static AgentException failed(KafkaException e) {
    return new AgentException.Retryable("kafka: searching topics failed: " + Reasons.of(e), e);
  }

  @Override
  public void close() {
    consumer.close(org.apache.kafka.clients.consumer.CloseOptions.timeout(Duration.ZERO));
  }
}
