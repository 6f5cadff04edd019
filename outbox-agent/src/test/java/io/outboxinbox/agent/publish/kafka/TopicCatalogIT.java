package io.outboxinbox.agent.publish.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.testkit.KafkaExtension;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class TopicCatalogIT {
  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  @Test
  void tellsTheOffsetsOfMorePartitionsThanItAsksForAtOnce() throws Exception {
    int count = 210;
    String topic = kafka.newTopic("many", count);
    Instant before = Instant.now().minusSeconds(60);
    try (KafkaProducer<String, String> producer =
        new KafkaProducer<>(
            Map.of("bootstrap.servers", kafka.bootstrapServers()),
            new StringSerializer(),
            new StringSerializer())) {
      for (int partition : List.of(0, 99, 100, 209)) {
        producer.send(new ProducerRecord<>(topic, partition, "k", "v")).get();
      }
    }
    List<TopicPartition> partitions =
        IntStream.range(0, count).mapToObj(i -> new TopicPartition(topic, i)).toList();
    KafkaConfiguration configuration =
        new KafkaConfiguration(
            kafka.bootstrapServers(), "positions", (short) 1, Duration.ofSeconds(15), Map.of());
    try (TopicCatalog topics = new TopicCatalog(configuration)) {
      assertThat(topics.offsetsSince(partitions, before))
          .containsOnlyKeys(
              partitions.get(0), partitions.get(99), partitions.get(100), partitions.get(209));
      assertThat(topics.endOffsets(partitions, IsolationLevel.READ_COMMITTED))
          .hasSize(count)
          .containsEntry(partitions.get(209), 1L)
          .containsEntry(partitions.get(208), 0L);
    }
  }
}
