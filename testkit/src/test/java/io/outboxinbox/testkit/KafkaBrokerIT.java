package io.outboxinbox.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KafkaBrokerIT {
  private static final Duration LIMIT = Duration.ofSeconds(30);

  @Test
  void showsOnlyCommittedTransactionsToReadCommittedConsumers() {
    try (KafkaBroker broker = KafkaBroker.start()) {
      broker.createTopic("orders", 1, Map.of("cleanup.policy", "compact"));
      try (KafkaProducer<String, String> producer = producer(broker.bootstrapServers())) {
        producer.initTransactions();
        send(producer, "aborted", false);
        send(producer, "committed", true);
      }
      assertThat(read(broker.bootstrapServers(), 1)).containsExactly("committed");
    }
  }

  @Test
  void hasTheSecondTransactionVersionAndNoAutomaticTopics() throws Exception {
    try (KafkaBroker broker = KafkaBroker.start();
        Admin admin = broker.admin()) {
      var features = admin.describeFeatures().featureMetadata().get().finalizedFeatures();
      assertThat(features.get("transaction.version").maxVersionLevel()).isEqualTo((short) 2);
      assertThat(admin.listTopics().names().get()).isEmpty();
      assertThatThrownBy(() -> admin.describeTopics(List.of("misspelt")).allTopicNames().get())
          .hasMessageContaining("does not host this topic-partition");
    }
  }

  @Test
  void keepsCommittedRecordsOverStopAndStart(@TempDir Path directory) {
    KafkaBroker.Options options =
        KafkaBroker.Options.defaults()
            .withDataDirectory(directory.resolve("data"))
            .withSetting("message.max.bytes", "2000000");
    try (KafkaBroker broker = KafkaBroker.start(options)) {
      broker.createTopic("orders", 1, Map.of());
      String before = broker.bootstrapServers();
      sendCommitted(before, "one");
      broker.stop();
      broker.startAgain();
      assertThat(broker.bootstrapServers()).isEqualTo(before);
      assertThat(read(before, 1)).containsExactly("one");
    }
    try (KafkaBroker later = KafkaBroker.start(options)) {
      assertThat(read(later.bootstrapServers(), 1)).containsExactly("one");
    }
  }

  @Test
  void keepsCommittedRecordsWhenItsProcessIsKilled() {
    try (KafkaBrokerProcess broker = KafkaBrokerProcess.start()) {
      broker.createTopic("orders", 1, Map.of());
      // Killed right after the commit, when the broker may not have written the commit marker yet.
      // More than once: Kafka loses one now and then without LeaderlessPartitions.
      for (int kills = 1; kills <= 3; kills++) {
        sendCommitted(broker.bootstrapServers(), "event-" + kills);
        long pid = broker.pid();
        broker.kill();
        assertThat(ProcessHandle.of(pid)).isEmpty();
        broker.startAgain();
        assertThat(read(broker.bootstrapServers(), kills))
            .hasSize(kills)
            .endsWith("event-" + kills);
      }
      broker.stop();
      broker.startAgain();
      assertThat(read(broker.bootstrapServers(), 3))
          .containsExactly("event-1", "event-2", "event-3");
    }
  }

  @Test
  void saysWhatTheProcessPrintedWhenItCannotStart() {
    KafkaBroker.Options broken =
        KafkaBroker.Options.defaults().withSetting("num.io.threads", "none");
    assertThatThrownBy(() -> KafkaBrokerProcess.start(broken))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("num.io.threads");
  }

  private static KafkaProducer<String, String> producer(String bootstrapServers) {
    return new KafkaProducer<>(
        Map.of(
            "bootstrap.servers", bootstrapServers, "transactional.id", "test-" + UUID.randomUUID()),
        new StringSerializer(),
        new StringSerializer());
  }

  private static void sendCommitted(String bootstrapServers, String value) {
    try (KafkaProducer<String, String> producer = producer(bootstrapServers)) {
      producer.initTransactions();
      send(producer, value, true);
    }
  }

  private static void send(KafkaProducer<String, String> producer, String value, boolean commit) {
    producer.beginTransaction();
    assertThat(producer.send(new ProducerRecord<>("orders", value, value))).succeedsWithin(LIMIT);
    if (commit) {
      producer.commitTransaction();
    } else {
      producer.abortTransaction();
    }
  }

  private static List<String> read(String bootstrapServers, int count) {
    List<String> values = new ArrayList<>();
    try (KafkaConsumer<String, String> consumer =
        new KafkaConsumer<>(
            Map.of(
                "bootstrap.servers",
                bootstrapServers,
                "group.id",
                "test-" + UUID.randomUUID(),
                "auto.offset.reset",
                "earliest",
                "isolation.level",
                "read_committed"),
            new StringDeserializer(),
            new StringDeserializer())) {
      consumer.subscribe(List.of("orders"));
      Awaitility.await()
          .atMost(LIMIT)
          .until(
              () -> {
                for (ConsumerRecord<String, String> record :
                    consumer.poll(Duration.ofMillis(200))) {
                  values.add(record.value());
                }
                return values.size() >= count;
              });
    }
    return values;
  }
}
