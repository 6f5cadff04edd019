package io.outboxinbox.agent.publish.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.publish.Events;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.publish.PublisherContract;
import io.outboxinbox.testkit.KafkaExtension;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class KafkaPublisherIT extends PublisherContract {
  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  /** As the agent creates the topic. */
  private static final int POSITION_PARTITIONS = 8;

  /** With as many markers between them, more than is read at first. */
  private static final int NEIGHBOURS_RECORDS = 600;

  private String topic;

  @BeforeEach
  void createTopic() {
    topic = kafka.newTopic("published", 3);
  }

  @Override
  protected Publisher newPublisher() {
    return new KafkaPublisher(
        new KafkaConfiguration(
            kafka.bootstrapServers(),
            "outbox-agent-positions",
            (short) 1,
            Duration.ofSeconds(10),
            Map.of()));
  }

  @Test
  void findsACheckpointFarBehindThoseOfABusyNeighbour() {
    SourceIdentity quiet = new SourceIdentity(UUID.randomUUID().toString(), "db", "publication");
    SourceIdentity busy = neighbourOf(quiet);
    try (Publisher one = newPublisher();
        Publisher other = newPublisher()) {
      one.takeOver(quiet);
      one.publishBatch(List.of(), Events.checkpoint(quiet, 1));
      other.takeOver(busy);
      for (int i = 1; i <= NEIGHBOURS_RECORDS; i++) {
        other.publishBatch(List.of(), Events.checkpoint(busy, i));
      }
    }
    try (Publisher one = newPublisher();
        Publisher other = newPublisher()) {
      assertThat(one.takeOver(quiet)).contains(Events.checkpoint(quiet, 1));
      assertThat(other.takeOver(busy)).contains(Events.checkpoint(busy, NEIGHBOURS_RECORDS));
      one.forget(quiet);
    }
    try (Publisher one = newPublisher()) {
      assertThat(one.takeOver(quiet)).as("a checkpoint removed later counts").isEmpty();
    }
  }

  /** Another source whose checkpoints lie in the same partition. */
  private static SourceIdentity neighbourOf(SourceIdentity source) {
    return Stream.generate(
            () -> new SourceIdentity(UUID.randomUUID().toString(), "db", "publication"))
        .filter(
            other ->
                Math.floorMod(other.id().hashCode(), POSITION_PARTITIONS)
                    == Math.floorMod(source.id().hashCode(), POSITION_PARTITIONS))
        .findFirst()
        .orElseThrow();
  }

  @Override
  protected String topic() {
    return topic;
  }

  @Override
  protected List<Received> received() {
    Map<String, Object> properties =
        Map.of(
            "bootstrap.servers",
            kafka.bootstrapServers(),
            "isolation.level",
            "read_committed",
            "enable.auto.commit",
            false);
    List<Received> received = new ArrayList<>();
    try (KafkaConsumer<String, byte[]> consumer =
        new KafkaConsumer<>(properties, new StringDeserializer(), new ByteArrayDeserializer())) {
      List<TopicPartition> partitions =
          List.of(0, 1, 2).stream().map(p -> new TopicPartition(topic, p)).toList();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      while (partitions.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
        consumer
            .poll(Duration.ofMillis(100))
            .forEach(
                message ->
                    received.add(
                        new Received(
                            message.key(),
                            message.value(),
                            Long.parseLong(
                                new String(
                                    message.headers().lastHeader("ce_sequence").value(),
                                    StandardCharsets.UTF_8)))));
      }
    }
    return received;
  }
}
