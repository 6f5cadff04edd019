package io.outboxinbox.inbox.kafka;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.outboxinbox.inbox.DeadLetter;
import io.outboxinbox.inbox.DeadLetterFilter;
import io.outboxinbox.inbox.DeadLetters;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.Message;
import io.outboxinbox.inbox.MessageId;
import io.outboxinbox.inbox.Transactions;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.awaitility.Awaitility;
import org.awaitility.core.ConditionFactory;

/** A database with the inbox and a table of effects, a topic, and consumers between them. */
final class ConsumerRig implements AutoCloseable {
  static final String NAME = "inventory";

  private final String url;
  private final String bootstrapServers;
  private final String topic;
  private final String group = "inventory-" + UUID.randomUUID();
  private final HikariDataSource dataSource;
  private final KafkaProducer<byte[], byte[]> producer;
  private final List<Future<?>> sent = new CopyOnWriteArrayList<>();
  private final List<InboxConsumer> consumers = new CopyOnWriteArrayList<>();

  ConsumerRig(String url, String user, String password, String bootstrapServers, String topic) {
    this.url = url;
    this.bootstrapServers = bootstrapServers;
    this.topic = topic;
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setUsername(user);
    config.setPassword(password);
    config.setMaximumPoolSize(20);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(10_000);
    config.setInitializationFailTimeout(-1);
    this.dataSource = new HikariDataSource(config);
    this.producer =
        new KafkaProducer<>(
            Map.of("bootstrap.servers", bootstrapServers, "linger.ms", 5),
            new ByteArraySerializer(),
            new ByteArraySerializer());
  }

  static ConsumerRig of(PostgresExtension postgres, String bootstrapServers, String topic)
      throws SQLException {
    return inInstalled(postgres.newDatabase("10_inbox"), bootstrapServers, topic);
  }

  /** In a database that is there already, such as one on a server of the test's own. */
  static ConsumerRig of(PostgresDatabase database, String bootstrapServers, String topic)
      throws SQLException {
    database.runScript("schema/postgresql/10_inbox.sql");
    return inInstalled(database, bootstrapServers, topic);
  }

  private static ConsumerRig inInstalled(
      PostgresDatabase database, String bootstrapServers, String topic) throws SQLException {
    database.execute(createEffects());
    return new ConsumerRig(
        database.jdbcUrl(), database.user(), database.password(), bootstrapServers, topic);
  }

  static String createEffects() {
    return "CREATE TABLE effect (n bigserial, id text NOT NULL, key text, text text)";
  }

  String topic() {
    return topic;
  }

  String group() {
    return group;
  }

  String url() {
    return url;
  }

  HikariDataSource dataSource() {
    return dataSource;
  }

  /** A consumer with one effect for each message; its topic, group and database are set. */
  InboxConsumerBuilder builder() {
    return builder(Inbox.named(NAME).build());
  }

  InboxConsumerBuilder builder(Inbox inbox) {
    return InboxConsumer.builder()
        .inbox(inbox)
        .dataSource(dataSource)
        .kafka(kafka(Map.of()))
        .topics(topic)
        .retry(new RetryPolicy(3, Duration.ofMillis(20), Duration.ofMillis(200), 0.5))
        .closeWithin(Duration.ofSeconds(15))
        .handler(ConsumerRig::addEffect);
  }

  Map<String, Object> kafka(Map<String, Object> more) {
    Map<String, Object> properties = new HashMap<>();
    properties.put("bootstrap.servers", bootstrapServers);
    properties.put("group.id", group);
    properties.putAll(more);
    return properties;
  }

  /** Starts what was built and closes it with the rig. */
  InboxConsumer start(InboxConsumerBuilder builder) {
    InboxConsumer consumer = builder.build();
    consumers.add(consumer);
    consumer.start();
    return consumer;
  }

  static void addEffect(Connection connection, Message message) throws SQLException {
    try (var insert =
        connection.prepareStatement("INSERT INTO effect (id, key, text) VALUES (?, ?, ?)")) {
      byte[] key = message.key();
      // PostgreSQL's text takes no NUL; ids may have one.
      insert.setString(1, message.id().text().replace('\u0000', '?'));
      insert.setString(2, key == null ? null : new String(key, StandardCharsets.UTF_8));
      insert.setString(3, message.text());
      insert.executeUpdate();
    }
  }

  void send(String key, String id, String text) {
    sent.add(producer.send(recordOf(null, key, id, text)));
  }

  void send(int partition, String key, String id, String text) {
    sent.add(producer.send(recordOf(partition, key, id, text)));
  }

  void send(ProducerRecord<byte[], byte[]> made) {
    sent.add(producer.send(made));
  }

  ProducerRecord<byte[], byte[]> recordOf(Integer partition, String key, String id, String text) {
    ProducerRecord<byte[], byte[]> made =
        new ProducerRecord<>(topic, partition, bytes(key), bytes(text));
    if (id != null) {
      made.headers().add("ce_id", bytes(id));
    }
    return made;
  }

  /** Sends so many messages to keys k0 to k(keys-1), texts 0 to count-1; returns their ids. */
  List<String> sendMany(int count, int keys) {
    List<String> ids = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      String id = newId();
      ids.add(id);
      send("k" + i % keys, id, Integer.toString(i));
    }
    flush();
    return ids;
  }

  /** Waits until the broker has everything that was sent. */
  void flush() {
    producer.flush();
    for (Future<?> one : sent) {
      try {
        one.get();
      } catch (InterruptedException | ExecutionException e) {
        throw new IllegalStateException(e);
      }
    }
    sent.clear();
  }

  static String newId() {
    UUID random = UUID.randomUUID();
    long high =
        (System.currentTimeMillis() << 16) | 0x7000 | (random.getLeastSignificantBits() & 0xFFF);
    return MessageId.of(new UUID(high, random.getLeastSignificantBits())).text();
  }

  long number(String sql) throws SQLException {
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getLong(1);
    }
  }

  void execute(String sql) throws SQLException {
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  long effects() throws SQLException {
    return number("SELECT count(*) FROM effect");
  }

  /** The texts of a key's effects in the order in which they happened. */
  List<String> textsOf(String key) throws SQLException {
    try (Connection connection = dataSource.getConnection();
        var select =
            connection.prepareStatement("SELECT text FROM effect WHERE key = ? ORDER BY n")) {
      select.setString(1, key);
      List<String> texts = new ArrayList<>();
      try (ResultSet row = select.executeQuery()) {
        while (row.next()) {
          texts.add(row.getString(1));
        }
      }
      return texts;
    }
  }

  List<DeadLetter> deadLetters() throws SQLException {
    DeadLetters letters = DeadLetters.of(Inbox.named(NAME).build());
    return new Transactions(dataSource)
        .run(connection -> letters.list(connection, DeadLetterFilter.all(), 1000, 0));
  }

  long committedOffset(int partition) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrapServers))) {
      OffsetAndMetadata committed =
          admin
              .listConsumerGroupOffsets(group)
              .partitionsToOffsetAndMetadata()
              .get()
              .get(new TopicPartition(topic, partition));
      return committed == null ? -1 : committed.offset();
    }
  }

  /** Lets the group, which must have no members, read again from an offset. */
  void resetGroup(int partition, long offset) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrapServers))) {
      admin
          .alterConsumerGroupOffsets(
              group, Map.of(new TopicPartition(topic, partition), new OffsetAndMetadata(offset)))
          .all()
          .get();
    }
  }

  static ConditionFactory eventually() {
    return Awaitility.await()
        .atMost(Duration.ofMinutes(2))
        .pollInterval(Duration.ofMillis(25))
        .pollDelay(Duration.ZERO);
  }

  static byte[] bytes(String text) {
    return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
  }

  @Override
  public void close() {
    consumers.forEach(InboxConsumer::close);
    producer.close(Duration.ofSeconds(5));
    dataSource.close();
  }
}
