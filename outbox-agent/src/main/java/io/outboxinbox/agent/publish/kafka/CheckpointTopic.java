package io.outboxinbox.agent.publish.kafka;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
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
 * chosen by the source's id; the topic is small, so reading a partition from its beginning is
 * cheap.
 */
final class CheckpointTopic {
  private static final Logger LOG = LoggerFactory.getLogger(CheckpointTopic.class);
  private static final Duration POLL = Duration.ofMillis(100);

  private final KafkaConfiguration kafka;
  private final TopicCatalog topics;

  CheckpointTopic(KafkaConfiguration kafka, TopicCatalog topics) {
    this.kafka = kafka;
    this.topics = topics;
  }

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
    return Optional.ofNullable(read(List.of(partition)).get(source.id()))
        .map(CheckpointCodec::decode);
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

  /**
   * Reads committed records up to the high watermark, not to the last stable offset: an open
   * transaction of another agent on the same partition must not hide our last record.
   */
  private Map<String, byte[]> read(List<TopicPartition> partitions) {
    Map<TopicPartition, Long> ends = topics.highWatermarks(partitions);
    Map<String, byte[]> latest = new HashMap<>();
    // An abandoned transaction of another agent ends at its timeout at the latest.
    long deadline =
        System.nanoTime() + kafka.transactionTimeout().plus(Duration.ofSeconds(10)).toNanos();
    try (KafkaConsumer<byte[], byte[]> consumer =
        new KafkaConsumer<>(
            kafka.consumerProperties(), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      while (!reached(consumer, ends)) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
          keep(latest, record);
        }
        if (System.nanoTime() - deadline > 0) {
          throw new AgentException.Retryable(
              "kafka topic="
                  + kafka.positionTopic()
                  + ": an open transaction hides the last checkpoint",
              null);
        }
      }
    } catch (KafkaException e) {
      throw new AgentException.Retryable(
          "kafka topic=" + kafka.positionTopic() + ": reading failed: " + Reasons.of(e), e);
    }
    return latest;
  }

  private static void keep(Map<String, byte[]> latest, ConsumerRecord<byte[], byte[]> record) {
    String source = new String(record.key(), StandardCharsets.UTF_8);
    if (record.value() == null) {
      latest.remove(source);
    } else {
      latest.put(source, record.value());
    }
  }

  private static boolean reached(
      KafkaConsumer<byte[], byte[]> consumer, Map<TopicPartition, Long> ends) {
    return ends.entrySet().stream()
        .allMatch(end -> consumer.position(end.getKey()) >= end.getValue());
  }
}
