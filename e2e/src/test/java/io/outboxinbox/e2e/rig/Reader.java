package io.outboxinbox.e2e.rig;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.awaitility.Awaitility;
import org.jspecify.annotations.Nullable;

/**
 * Reads everything a read_committed consumer can see of a topic, on a thread of its own, through
 * every restart of the broker.
 */
public final class Reader implements AutoCloseable {
  private static final Duration POLL = Duration.ofMillis(100);
  private static final Duration CLOSED_WITHIN = Duration.ofSeconds(10);

  private final String bootstrapServers;
  private final List<TopicPartition> partitions = new ArrayList<>();

  /** One string per key; only the reading thread uses it. */
  private final Map<String, String> keys = new HashMap<>();

  private final List<Published> published = new ArrayList<>();
  private final Set<UUID> ids = ConcurrentHashMap.newKeySet();
  private final Thread thread = new Thread(this::read, "ledger-reader");
  private volatile boolean stopping;
  private volatile long lag = -1;
  private volatile @Nullable Throwable failure;

  /** When something last arrived, and the longest wait since {@link #forgetSilence}. */
  private long lastArrivalNanos = System.nanoTime();

  private long longestSilenceNanos;

  private Reader(String bootstrapServers, String topic, int partitionCount) {
    this.bootstrapServers = bootstrapServers;
    for (int i = 0; i < partitionCount; i++) {
      partitions.add(new TopicPartition(topic, i));
    }
  }

  /** Starts reading the topic from its beginning. */
  public static Reader start(String bootstrapServers, String topic, int partitionCount) {
    Reader reader = new Reader(bootstrapServers, topic, partitionCount);
    reader.thread.setDaemon(true);
    reader.thread.start();
    return reader;
  }

  private void read() {
    Map<String, Object> settings =
        Map.of(
            "bootstrap.servers",
            bootstrapServers,
            "isolation.level",
            "read_committed",
            "enable.auto.commit",
            false,
            "auto.offset.reset",
            "earliest",
            // The broker comes back within seconds; a long backoff would only lengthen the test.
            "reconnect.backoff.max.ms",
            500);
    try (KafkaConsumer<byte[], byte[]> consumer =
        new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      while (!stopping) {
        keep(consumer.poll(POLL));
        lag = lag(consumer);
      }
    } catch (RuntimeException e) {
      failure = e;
    }
  }

  private long lag(KafkaConsumer<byte[], byte[]> consumer) {
    long sum = 0;
    for (TopicPartition partition : partitions) {
      sum += consumer.currentLag(partition).orElse(1);
    }
    return sum;
  }

  private void keep(Iterable<ConsumerRecord<byte[], byte[]>> records) {
    long arrivedNanos = System.nanoTime();
    synchronized (published) {
      int before = published.size();
      for (ConsumerRecord<byte[], byte[]> record : records) {
        Published message = message(record, arrivedNanos);
        published.add(message);
        ids.add(message.id());
      }
      if (published.size() > before) {
        longestSilenceNanos = Math.max(longestSilenceNanos, arrivedNanos - lastArrivalNanos);
        lastArrivalNanos = arrivedNanos;
      }
    }
  }

  /** Begins to look for the longest time in which nothing arrives. */
  public void forgetSilence() {
    synchronized (published) {
      longestSilenceNanos = 0;
    }
  }

  /** From the last arrival before it to the first after it; what has not ended does not count. */
  public Duration longestSilence() {
    requireHealthy();
    synchronized (published) {
      return Duration.ofNanos(longestSilenceNanos);
    }
  }

  private Published message(ConsumerRecord<byte[], byte[]> record, long arrivedNanos) {
    return new Published(
        UUID.fromString(header(record, "ce_id")),
        keys.computeIfAbsent(text(record.key()), key -> key),
        text(record.value()).hashCode(),
        record.partition(),
        record.offset(),
        Long.parseLong(header(record, "ce_epoch")),
        Long.parseLong(header(record, "ce_sequence")),
        arrivedNanos);
  }

  private static String header(ConsumerRecord<byte[], byte[]> record, String name) {
    Header header = record.headers().lastHeader(name);
    if (header == null) {
      throw new IllegalStateException(
          "header " + name + " is missing at offset " + record.offset() + ": " + record.headers());
    }
    return text(header.value());
  }

  private static String text(byte[] bytes) {
    return new String(bytes, StandardCharsets.UTF_8);
  }

  /** Whether an event with this id has arrived. */
  public boolean has(UUID id) {
    requireHealthy();
    return ids.contains(id);
  }

  /** How many messages have arrived, repeats included. */
  public int count() {
    requireHealthy();
    synchronized (published) {
      return published.size();
    }
  }

  /** How many of these events have arrived. */
  public long count(Transaction transaction) {
    requireHealthy();
    return transaction.entries().stream().filter(entry -> ids.contains(entry.id())).count();
  }

  /** Waits until an event has arrived. */
  public void await(UUID id, Duration deadline) {
    Awaitility.await("event " + id + " is published")
        .atMost(deadline)
        .pollDelay(Duration.ZERO)
        .pollInterval(Duration.ofMillis(5))
        .until(() -> has(id));
  }

  /**
   * Waits until the reader stands at the end of what consumers may see, twice in a row, so that
   * repeats of what was expected are in.
   */
  public void awaitEnd(Duration deadline) {
    long[] seen = {-1};
    Awaitility.await("the reader is at the end of the topic")
        .atMost(deadline)
        .pollInterval(Duration.ofMillis(500))
        .until(
            () -> {
              requireHealthy();
              long before = seen[0];
              seen[0] = lag == 0 ? count() : -1;
              return seen[0] >= 0 && seen[0] == before;
            });
  }

  /** Everything received so far, in the order of arrival. */
  public List<Published> published() {
    requireHealthy();
    synchronized (published) {
      return List.copyOf(published);
    }
  }

  private void requireHealthy() {
    Throwable failed = failure;
    if (failed != null) {
      throw new IllegalStateException("the reader stopped", failed);
    }
  }

  @Override
  public void close() {
    stopping = true;
    try {
      thread.join(CLOSED_WITHIN.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
