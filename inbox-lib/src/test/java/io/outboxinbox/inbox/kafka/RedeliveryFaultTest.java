package io.outboxinbox.inbox.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.outboxinbox.inbox.BatchHandler;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.InboxMode;
import io.outboxinbox.inbox.Message;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.nio.charset.StandardCharsets;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A whole topic comes again, as after a reset of the group's offsets: nothing happens twice. Prints
 * what the memory of it takes on disk. {@code -Dredelivery.messages=1000000} is the long form.
 */
class RedeliveryFaultTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private static final int PARTITIONS = 6;
  private static final int KEYS = 1_000;
  private static final int BATCH_MAX = 500;
  private static final Duration CONSUMED_WITHIN = Duration.ofMinutes(15);

  private final int messages = Integer.getInteger("redelivery.messages", 20_000);
  private PostgresDatabase database;
  private String topic;

  @BeforeEach
  void setUp() throws Exception {
    database = postgres.newDatabase("10_inbox");
    database.execute("CREATE TABLE effect (id text NOT NULL)");
    topic = kafka.newTopic("redelivered", PARTITIONS);
    produce();
  }

  @ParameterizedTest
  @EnumSource(InboxMode.class)
  void repeatsNoEffectWhenTheWholeTopicComesAgain(InboxMode mode) throws Exception {
    Duration first = consume(mode, "first");
    assertThatEachMessageTookEffectOnce();
    // Another group starts at the beginning; for the inbox it is the same consumer.
    Duration again = consume(mode, "again");
    assertThatEachMessageTookEffectOnce();
    long bytes = database.number("SELECT sum(bytes) FROM inbox_partitions()");
    long markBytes = database.number("SELECT pg_total_relation_size('inbox_watermark')");
    long rows = database.number("SELECT count(*) FROM inbox_message");
    System.out.printf(
        Locale.ROOT,
        "%n== Redelivery, mode %s: %,d messages in %.1f s, again in %.1f s, 0 repeated effects;"
            + " ids: %,d rows, %.1f bytes a message; marks: %,d bytes in all%n",
        mode,
        messages,
        first.toMillis() / 1e3,
        again.toMillis() / 1e3,
        rows,
        rows == 0 ? 0 : (double) bytes / rows,
        markBytes);
    assertThat(rows).isEqualTo(mode == InboxMode.IDS ? messages : 0);
  }

  private void assertThatEachMessageTookEffectOnce() throws SQLException {
    assertThat(database.number("SELECT count(*) FROM effect")).isEqualTo(messages);
    assertThat(database.number("SELECT count(DISTINCT id) FROM effect")).isEqualTo(messages);
  }

  private Duration consume(InboxMode mode, String group) throws Exception {
    long start = System.nanoTime();
    try (HikariDataSource pool = pool();
        InboxConsumer consumer =
            InboxConsumer.builder()
                // Without a memory of committed ids, so that every repeat is found in the database.
                .inbox(Inbox.named("stock").mode(mode).cachedIdsMax(0).build())
                .dataSource(pool)
                .kafka(
                    Map.of(
                        "bootstrap.servers",
                        kafka.bootstrapServers(),
                        "group.id",
                        topic + "-" + group,
                        "auto.offset.reset",
                        "earliest",
                        "max.poll.records",
                        BATCH_MAX))
                .topics(topic)
                .batchHandler(insertAll())
                .batchMax(BATCH_MAX)
                .build()) {
      consumer.start();
      awaitConsumed(topic + "-" + group);
    }
    return Duration.ofNanos(System.nanoTime() - start);
  }

  private static BatchHandler insertAll() {
    return (connection, batch) -> {
      String[] ids = batch.stream().map(Message::id).map(id -> id.text()).toArray(String[]::new);
      try (PreparedStatement insert =
          connection.prepareStatement("INSERT INTO effect SELECT unnest(?)")) {
        insert.setArray(1, connection.createArrayOf("text", ids));
        insert.executeUpdate();
      }
    };
  }

  private void awaitConsumed(String group) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", kafka.bootstrapServers()))) {
      Map<TopicPartition, OffsetSpec> latest = new HashMap<>();
      for (int i = 0; i < PARTITIONS; i++) {
        latest.put(new TopicPartition(topic, i), OffsetSpec.latest());
      }
      var ends = admin.listOffsets(latest).all().get();
      Awaitility.await("the whole topic is consumed")
          .atMost(CONSUMED_WITHIN)
          .pollInterval(Duration.ofMillis(100))
          .until(
              () -> {
                var offsets =
                    admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
                return ends.entrySet().stream()
                    .allMatch(
                        end ->
                            offsets.get(end.getKey()) != null
                                && offsets.get(end.getKey()).offset() == end.getValue().offset());
              });
    }
  }

  private void produce() {
    List<Future<RecordMetadata>> sent = new ArrayList<>();
    Map<String, Object> settings =
        Map.of(
            "bootstrap.servers",
            kafka.bootstrapServers(),
            "linger.ms",
            20,
            "batch.size",
            262_144,
            // On a partition that has no leader yet, a later batch could overtake the first for
            // good.
            "max.in.flight.requests.per.connection",
            1);
    try (KafkaProducer<byte[], byte[]> producer =
        new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
      for (int i = 1; i <= messages; i++) {
        byte[] key = utf8("key-" + i % KEYS);
        ProducerRecord<byte[], byte[]> message =
            new ProducerRecord<>(topic, key, utf8("{\"n\":" + i + "}"));
        message
            .headers()
            .add("ce_id", utf8(newId().toString()))
            .add("ce_source", utf8("shop"))
            .add("ce_epoch", utf8("1"))
            .add("ce_sequence", utf8(String.format(Locale.ROOT, "%019d", i)));
        sent.add(producer.send(message));
      }
      producer.flush();
      assertThat(sent).allMatch(RedeliveryFaultTest::hasArrived);
    }
  }

  private static boolean hasArrived(Future<RecordMetadata> sent) {
    try {
      return sent.get().hasOffset();
    } catch (ExecutionException | InterruptedException e) {
      throw new IllegalStateException("a message could not be sent", e);
    }
  }

  private static UUID newId() {
    ThreadLocalRandom random = ThreadLocalRandom.current();
    long high = (System.currentTimeMillis() << 16) | 0x7000 | random.nextInt(0x1000);
    return new UUID(high, (random.nextLong() >>> 2) | Long.MIN_VALUE);
  }

  private HikariDataSource pool() {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(database.jdbcUrl());
    config.setUsername(database.user());
    config.setPassword(database.password());
    config.setAutoCommit(false);
    config.setMaximumPoolSize(4);
    return new HikariDataSource(config);
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
