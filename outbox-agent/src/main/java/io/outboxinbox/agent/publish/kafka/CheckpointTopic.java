package io.outboxinbox.agent.publish.kafka;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.AgentException.Retryable.Side;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.CheckpointCodec;
import io.outboxinbox.agent.event.SourceIdentity;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The compacted topic that holds one checkpoint per source. It has one partition per few sources,
 * chosen by the source's id.
 */
record CheckpointTopic(KafkaConfiguration kafka, TopicCatalog topics) {
  private static final Logger LOG = LoggerFactory.getLogger(CheckpointTopic.class);
  private static final Duration POLL = Duration.ofMillis(100);

  /** Read first: a few hundred kilobytes, one answer of the broker. */
  private static final long TAIL_RECORDS = 1_000;

  private static final long TAIL_GROWTH = 20;

  /** The record that makes {@code checkpoint} durable when its transaction commits. */
  ProducerRecord<byte[], byte[]> record(Checkpoint checkpoint) {
    return record(checkpoint.source(), CheckpointCodec.encode(checkpoint));
  }

  /** The record that removes a source's checkpoint. */
  ProducerRecord<byte[], byte[]> tombstone(SourceIdentity source) {
    return record(source, null);
  }

  private ProducerRecord<byte[], byte[]> record(SourceIdentity source, byte @Nullable [] value) {
    byte[] key = source.id().getBytes(StandardCharsets.UTF_8);
    return new ProducerRecord<>(kafka.positionTopic(), partitionOf(source), key, value);
  }

  /**
   * Reads the last committed checkpoint of a source. Must not run while our own transaction is
   * open.
   */
  Optional<Checkpoint> read(SourceIdentity source) {
    TopicPartition partition = new TopicPartition(kafka.positionTopic(), partitionOf(source));
    return readLast(partition, source.id()).map(CheckpointCodec::decode);
  }

  List<Checkpoint> readAll() {
    List<TopicPartition> all = new ArrayList<>();
    for (int i = 0; i < topics.partitions(kafka.positionTopic()); i++) {
      all.add(new TopicPartition(kafka.positionTopic(), i));
    }
    List<Checkpoint> checkpoints = new ArrayList<>();
    for (byte[] value : read(all).values()) {
      try {
        checkpoints.add(CheckpointCodec.decode(value));
      } catch (AgentException.Fatal e) {
        // Another source's, perhaps of a newer agent: no reason for this one not to start.
        LOG.warn("kafka topic={}: {}", kafka.positionTopic(), e.getMessage());
      }
    }
    return checkpoints;
  }

  private int partitionOf(SourceIdentity source) {
    return Math.floorMod(source.id().hashCode(), topics.partitions(kafka.positionTopic()));
  }

  /** Reads every committed record from the beginning. */
  private Map<String, byte[]> read(List<TopicPartition> partitions) {
    Map<String, Optional<byte[]>> latest = new HashMap<>();
    try (KafkaConsumer<byte[], byte[]> consumer = newConsumer()) {
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      readUpTo(topics.highWatermarks(partitions), consumer, latest);
    } catch (KafkaException e) {
      throw failed(e);
    }
    Map<String, byte[]> values = new HashMap<>();
    latest.forEach((source, value) -> value.ifPresent(bytes -> values.put(source, bytes)));
    return values;
  }

  /**
   * Reads the end of the partition, and further back only while the source is not found there. A
   * busy source writes a hundred records a second and the broker compacts only now and then, so
   * from the beginning it could be minutes.
   */
  private Optional<byte[]> readLast(TopicPartition partition, String source) {
    try (KafkaConsumer<byte[], byte[]> consumer = newConsumer()) {
      consumer.assign(List.of(partition));
      Map<TopicPartition, Long> ends = topics.highWatermarks(List.of(partition));
      long end = ends.getOrDefault(partition, 0L);
      long first = consumer.beginningOffsets(List.of(partition)).getOrDefault(partition, 0L);
      for (long span = TAIL_RECORDS; ; span *= TAIL_GROWTH) {
        long from = Math.max(first, end - span);
        Map<String, Optional<byte[]>> latest = new HashMap<>();
        consumer.seek(partition, from);
        readUpTo(ends, consumer, latest);
        Optional<byte[]> found = latest.get(source);
        if (found != null || from <= first) {
          return found == null ? Optional.empty() : found;
        }
      }
    } catch (KafkaException e) {
      throw failed(e);
    }
  }

  private KafkaConsumer<byte[], byte[]> newConsumer() {
    return new KafkaConsumer<>(
        kafka.consumerProperties(), new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  /**
   * Reads committed records up to the high watermark, not to the last stable offset: an open
   * transaction of another agent on the same partition must not hide our last record.
   *
   * @param latest gets the last value of each source; empty where it was removed
   */
  private void readUpTo(
      Map<TopicPartition, Long> ends,
      KafkaConsumer<byte[], byte[]> consumer,
      Map<String, Optional<byte[]>> latest) {
    // An abandoned transaction of another agent ends at its timeout at the latest.
    long deadline =
        System.nanoTime() + kafka.transactionTimeout().plus(Duration.ofSeconds(10)).toNanos();
    while (!reached(consumer, ends)) {
      for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
        latest.put(
            new String(record.key(), StandardCharsets.UTF_8), Optional.ofNullable(record.value()));
      }
      if (System.nanoTime() - deadline > 0) {
        throw new AgentException.Retryable(
            Side.BROKER,
            "kafka topic=%s: an open transaction hides the last checkpoint"
                .formatted(kafka.positionTopic()));
      }
    }
  }

  private AgentException failed(KafkaException e) {
    return new AgentException.Retryable(
        Side.BROKER,
        "kafka topic=" + kafka.positionTopic() + ": reading failed: " + Reasons.of(e),
        e);
  }

  private static boolean reached(
      KafkaConsumer<byte[], byte[]> consumer, Map<TopicPartition, Long> ends) {
    return ends.entrySet().stream()
        .allMatch(end -> consumer.position(end.getKey()) >= end.getValue());
  }
}
