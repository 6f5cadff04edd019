package io.outboxinbox.agent.publish.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.publish.Events;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.publish.PublisherContract;
import io.outboxinbox.testkit.KafkaExtension;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.awaitility.Awaitility;
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
    return KafkaMessages.of(kafka.bootstrapServers(), topic);
  }

  /** Up to the last stable offset the old checkpoint would look like the last one. */
  @Test
  void waitsForTheEndOfAnotherSourcesTransactionThatHidesItsCheckpoint() throws Exception {
    SourceIdentity source = new SourceIdentity(UUID.randomUUID().toString(), "db", "publication");
    try (Publisher before = newPublisher();
        Publisher after = newPublisher();
        KafkaProducer<byte[], byte[]> other = otherSource()) {
      before.takeOver(source);
      before.publishBatch(List.of(), Events.checkpoint(source, 1));
      other.initTransactions();
      other.beginTransaction();
      for (PartitionInfo partition : other.partitionsFor("outbox-agent-positions")) {
        byte[] key = "other".getBytes(StandardCharsets.UTF_8);
        other
            .send(
                new ProducerRecord<>(partition.topic(), partition.partition(), key, new byte[] {1}))
            .get();
      }
      before.publishBatch(List.of(), Events.checkpoint(source, 2));
      CompletableFuture<Optional<Checkpoint>> found =
          CompletableFuture.supplyAsync(() -> after.takeOver(source));
      Awaitility.await("it waits")
          .during(Duration.ofSeconds(1))
          .atMost(Duration.ofSeconds(90))
          .until(() -> !found.isDone());
      other.abortTransaction();
      assertThat(found).succeedsWithin(Duration.ofSeconds(20));
      assertThat(found.get()).contains(Events.checkpoint(source, 2));
    }
  }

  /** An operator raises it to have a parked event released, and nobody restarts the agent. */
  @Test
  void noticesThatATopicsLimitWasRaised() throws Exception {
    RoutedEvent large = Events.event(topic, 1, "a", new byte[20_000]);
    try (Publisher publisher = newPublisher();
        Admin admin = Admin.create(Map.of("bootstrap.servers", kafka.bootstrapServers()))) {
      limit(admin, 10_000);
      assertThatThrownBy(() -> publisher.check(large))
          .isInstanceOf(AgentException.RejectedEvent.class)
          .hasMessageContaining("exceeds the limit of 10000");
      limit(admin, 1_000_000);
      Awaitility.await("the event is accepted")
          .atMost(Duration.ofSeconds(90))
          .ignoreExceptionsInstanceOf(AgentException.RejectedEvent.class)
          .untilAsserted(() -> publisher.check(large));
    }
  }

  private void limit(Admin admin, int bytes) throws Exception {
    ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
    ConfigEntry entry = new ConfigEntry("max.message.bytes", String.valueOf(bytes));
    admin
        .incrementalAlterConfigs(
            Map.of(resource, List.of(new AlterConfigOp(entry, AlterConfigOp.OpType.SET))))
        .all()
        .get();
  }

  private static KafkaProducer<byte[], byte[]> otherSource() {
    return new KafkaProducer<>(
        Map.of(
            "bootstrap.servers",
            kafka.bootstrapServers(),
            "transactional.id",
            UUID.randomUUID().toString()),
        new ByteArraySerializer(),
        new ByteArraySerializer());
  }
}
