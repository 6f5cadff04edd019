package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.configure.ConfigurationReader;
import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.publish.PublishConfiguration;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.publish.kafka.PlainKafka;
import io.outboxinbox.agent.source.table.TablePositions;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresServer;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.StringSerializer;
import org.awaitility.Awaitility;
import org.jspecify.annotations.Nullable;

/** A database with the schema, a topic, and pipelines between them. */
public final class PipelineRig implements AutoCloseable {
  public static final String SLOT = "outbox_agent";
  private static final Duration WITHIN = Duration.ofSeconds(90);

  private static final String[] SCHEMA = {
    "01_outbox", "02_partitions", "03_publication", "04_agent", "05_roles"
  };

  private static final String LOGIN = "ALTER ROLE outbox_agent PASSWORD 'agent'";

  /** Where positions are kept, and with that whether a crash can repeat events. */
  public enum Memory {
    /** Kafka takes events and position together. */
    BROKER,
    /** Kafka takes events, and the source database the position after them. */
    DATABASE
  }

  private final KafkaExtension kafka;
  private final Memory memory;
  private final List<Pipeline> pipelines = new ArrayList<>();
  private final Map<String, CommittedRecords> committed = new ConcurrentHashMap<>();
  public PostgresDatabase database;

  /** Events go there from pipelines started from now on. */
  public String topic;

  /** Of pipelines started from now on. */
  public String pipelineName = "test";

  /** YAML for the source block of pipelines started from now on; tests look for that slot. */
  public String names = "slot: " + SLOT;

  /** Topics events may go to, of pipelines started from now on. */
  public String allowedTopics = "*";

  /** Style of headers, of pipelines started from now on. */
  public String headers = "cloudevents";

  public PipelineRig(PostgresExtension postgres, KafkaExtension kafka) throws Exception {
    this(postgres, kafka, Memory.BROKER);
  }

  public PipelineRig(PostgresExtension postgres, KafkaExtension kafka, Memory memory)
      throws Exception {
    this(kafka, memory, newDatabase(postgres));
  }

  /** In a database that is there already, such as one on a server of the test's own. */
  public PipelineRig(PostgresDatabase database, KafkaExtension kafka) throws Exception {
    this(database, kafka, Memory.BROKER);
  }

  /** The same, with positions in this place. */
  public PipelineRig(PostgresDatabase database, KafkaExtension kafka, Memory memory)
      throws Exception {
    this(kafka, memory, database);
    for (String file : SCHEMA) {
      database.runScript("schema/postgresql/" + file + ".sql");
    }
    execute(LOGIN);
  }

  private PipelineRig(KafkaExtension kafka, Memory memory, PostgresDatabase database)
      throws Exception {
    this.kafka = kafka;
    this.memory = memory;
    this.database = database;
    this.topic = kafka.newTopic("events", 3);
  }

  /** A database in which the agent is installed. */
  public static PostgresDatabase newDatabase(PostgresExtension postgres) throws SQLException {
    PostgresDatabase database = postgres.newDatabase(SCHEMA);
    database.execute(LOGIN);
    return database;
  }

  /** Starts a pipeline; {@code more} is YAML for its source block. */
  public Pipeline start(String more) throws Exception {
    return start(configuration(more));
  }

  public Pipeline start(PipelineConfiguration configuration) {
    Pipeline pipeline = new Pipeline(configuration, "test", Clock.systemUTC(), new Random(1));
    pipelines.add(pipeline);
    pipeline.start();
    return pipeline;
  }

  public PipelineConfiguration configuration(String more) throws Exception {
    return configuration(more, "parking: {}", database.port(), kafka.bootstrapServers());
  }

  /** A configuration with this YAML for its parking block. */
  public PipelineConfiguration parking(String parking) throws Exception {
    return configuration("", "parking: " + parking, database.port(), kafka.bootstrapServers());
  }

  /** A configuration with this YAML for its wal block, which reconciles by itself. */
  public PipelineConfiguration wal(String wal) throws Exception {
    return configuration(
        "onGap: reconcile", "wal: " + wal, database.port(), kafka.bootstrapServers());
  }

  /** A configuration with this YAML for its batch block. */
  public PipelineConfiguration batch(String batch) throws Exception {
    return configuration("", "batch: " + batch, database.port(), kafka.bootstrapServers());
  }

  /** The usual broker with this YAML line added to its block. */
  public PublishConfiguration publish(String more) throws Exception {
    return configuration("", "parking: {}", database.port(), kafka.bootstrapServers(), more)
        .publish();
  }

  public PipelineConfiguration configurationWithBroker(String bootstrapServers) throws Exception {
    return configuration("", "parking: {}", database.port(), bootstrapServers);
  }

  public PipelineConfiguration configurationWithPort(int port) throws Exception {
    return configuration("", "parking: {}", port, kafka.bootstrapServers());
  }

  private PipelineConfiguration configuration(
      String more, String block, int port, String bootstrapServers) throws Exception {
    return configuration(more, block, port, bootstrapServers, "");
  }

  /** The YAML of an agent in a process of its own, with this line for its batch block. */
  String yaml(String batch) {
    return yaml("", "batch: " + batch, database.port(), kafka.bootstrapServers(), "");
  }

  private PipelineConfiguration configuration(
      String more, String block, int port, String bootstrapServers, String publish)
      throws Exception {
    String yaml = yaml(more, block, port, bootstrapServers, publish);
    PipelineConfiguration read = new ConfigurationReader(Map.of()).read(yaml).pipelines().get(0);
    return memory == Memory.DATABASE ? PlainKafka.in(read) : read;
  }

  private String yaml(
      String more, String block, int port, String bootstrapServers, String publish) {
    return """
        pipelines:
          - name: %s
            source:
              host: %s
              port: %d
              database: %s
              username: outbox_agent
              password: agent
              sslMode: disable
              %s
            route: {topic: "%s", allowedTopics: ["%s"], headers: %s}
            publish:
              type: kafka
              bootstrapServers: "%s"
              positionReplicationFactor: 1
              properties: {max.request.size: "5000000"}
              %s
            leadership: {pulseInterval: 200ms, takeoverAfter: 2s, stallAfter: 10s}
            retry: {initial: 100ms, max: 1s}
            %s
        """
        .formatted(
            pipelineName,
            database.host(),
            port,
            database.name(),
            more.contains("slot:") ? more : names + "\n      " + more,
            topic,
            allowedTopics,
            headers,
            bootstrapServers,
            publish,
            block);
  }

  public void execute(String... sql) throws SQLException {
    database.execute(sql);
  }

  /** Drops the slot once nobody reads it. */
  public void dropSlot() throws SQLException {
    awaitSlotFree();
    execute("SELECT pg_drop_replication_slot('" + SLOT + "')");
  }

  /** Drops those of this database for which the condition holds, once nobody reads them. */
  public void dropSlots(String condition) {
    Awaitility.await()
        .atMost(WITHIN)
        .ignoreExceptions()
        .untilAsserted(
            () ->
                execute(
                    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                        + " WHERE database = current_database() AND "
                        + condition));
  }

  /** The server ends the session of a reader a moment after the reader has gone. */
  public void awaitSlotFree() {
    await(
        () ->
            query(
                    "SELECT count(*) FROM pg_replication_slots WHERE active AND slot_name = '%s'"
                        .formatted(SLOT))
                .equals("0"));
  }

  /** Inserts events {@code from} to {@code to}, exclusive, as one transaction. */
  public void insert(int from, int to) throws SQLException {
    String sql =
        "INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type, payload)"
            + " VALUES ('order', ?, 'placed', ?::json)";
    try (Connection connection = database.connect();
        PreparedStatement statement = connection.prepareStatement(sql)) {
      connection.setAutoCommit(false);
      for (int i = from; i < to; i++) {
        statement.setString(1, "key-" + i % 5);
        statement.setString(2, "{\"n\":" + i + "}");
        statement.addBatch();
      }
      statement.executeBatch();
      connection.commit();
    }
  }

  public void awaitState(Pipeline pipeline, PipelineStatus.State state) {
    Awaitility.await()
        .atMost(WITHIN)
        .untilAsserted(
            () ->
                assertThat(pipeline.status().state())
                    .as(pipeline.status().toString())
                    .isEqualTo(state));
  }

  public void awaitLeading(Pipeline pipeline) {
    awaitState(pipeline, PipelineStatus.State.LEADING);
  }

  public void awaitEvents(int count) {
    await(() -> consume().size() >= count);
  }

  public void await(Callable<Boolean> condition) {
    Awaitility.await().atMost(WITHIN).until(condition);
  }

  /** A publisher of the newest pipeline's kind. */
  public Publisher newPublisher(Connection session) throws Exception {
    PipelineConfiguration pipeline = configuration("");
    return pipeline.publish().newPublisher(new TablePositions(session, pipeline.source()));
  }

  /** The durable checkpoint of the newest pipeline's source. */
  public Checkpoint checkpoint() throws Exception {
    return checkpoints().stream().findFirst().orElseThrow();
  }

  /** The durable checkpoints of all sources in the database. */
  public List<Checkpoint> checkpoints() throws Exception {
    try (Connection session = database.connect();
        Publisher publisher = newPublisher(session)) {
      return publisher.allCheckpoints().stream()
          .filter(checkpoint -> checkpoint.source().database().equals(database.name()))
          .toList();
    }
  }

  /** Whether the usual slot of this database is there. */
  public boolean hasSlot() throws SQLException {
    String sql =
        "SELECT 1 FROM pg_replication_slots WHERE slot_name = '%s' AND database = current_database()";
    return !database.list(sql.formatted(SLOT)).isEmpty();
  }

  /** Everything committed in the topic so far. */
  public List<ConsumerRecord<String, byte[]>> consume() {
    return consume(topic);
  }

  public List<ConsumerRecord<String, byte[]>> consume(String topic) {
    List<ConsumerRecord<String, byte[]>> all =
        committed
            .computeIfAbsent(topic, name -> new CommittedRecords(kafka.bootstrapServers(), name))
            .all();
    return memory == Memory.DATABASE ? withoutRepeats(all) : all;
  }

  /** As consumers that keep ids see it. Each repeat of an epoch has the number it had. */
  private static List<ConsumerRecord<String, byte[]>> withoutRepeats(
      List<ConsumerRecord<String, byte[]>> all) {
    Map<String, ConsumerRecord<String, byte[]>> firsts = new HashMap<>();
    List<ConsumerRecord<String, byte[]>> once = new ArrayList<>();
    for (ConsumerRecord<String, byte[]> record : all) {
      Header sequence = record.headers().lastHeader("ce_sequence");
      Header source = record.headers().lastHeader("ce_sourceid");
      if (sequence == null || source == null) {
        // Another style, a replay, or somebody else's.
        once.add(record);
        continue;
      }
      Header table = record.headers().lastHeader("outbox_table");
      String event =
          (table == null ? "" : header(record, "outbox_table"))
              + header(record, "ce_id")
              + header(record, "ce_sourceid");
      ConsumerRecord<String, byte[]> first = firsts.putIfAbsent(event, record);
      if (first == null) {
        once.add(record);
      } else {
        if (header(record, "ce_epoch").equals(header(first, "ce_epoch"))) {
          assertThat(header(record, "ce_sequence"))
              .as("sequence number of repeated event %s", event)
              .isEqualTo(header(first, "ce_sequence"));
        }
        assertThat(record.key()).as("key of %s", event).isEqualTo(first.key());
        assertThat(record.value()).as("payload of %s", event).isEqualTo(first.value());
      }
    }
    return once;
  }

  /** How often an event was published again that was published before. */
  public int repeats() {
    int all =
        committed
            .computeIfAbsent(topic, name -> new CommittedRecords(kafka.bootstrapServers(), name))
            .all()
            .size();
    return all - consume().size();
  }

  /** From now on the database is this one, such as a promoted standby's. */
  public void moveTo(PostgresServer server) {
    database = server.database(database.name());
  }

  /** A rig in a new database of a server. */
  public static PipelineRig on(PostgresServer server, KafkaExtension kafka) throws Exception {
    return on(server, kafka, Memory.BROKER);
  }

  /** The same, with positions in this place. */
  public static PipelineRig on(PostgresServer server, KafkaExtension kafka, Memory memory)
      throws Exception {
    return new PipelineRig(server.database(server.createDatabase("rig")), kafka, memory);
  }

  /** Removes the checkpoint from the broker, as if the topic had been emptied. */
  public void forgetPosition() throws Exception {
    try (Connection session = database.connect();
        Publisher publisher = newPublisher(session)) {
      SourceIdentity source = checkpoint().source();
      publisher.takeOver(source);
      publisher.forget(source);
    }
  }

  /** Transaction of the event with this number. */
  public long xidOf(int number) throws SQLException {
    return Long.parseLong(ofEvent("xmin", number));
  }

  public String idOf(int number) throws SQLException {
    return ofEvent("id", number);
  }

  private String ofEvent(String column, int number) throws SQLException {
    return query(
        "SELECT %s::text FROM outbox_event WHERE (payload ->> 'n')::int = %d"
            .formatted(column, number));
  }

  /** The first value of a query. */
  public @Nullable String query(String sql) throws SQLException {
    return database.query(sql);
  }

  /** Puts a message with an event's id into the topic, as somebody else may. */
  public void send(String id, String source, String header) throws Exception {
    send(id, source, header, Instant.now());
  }

  /** The same some time ago. */
  public void send(String id, String source, String header, Instant at) throws Exception {
    Map<String, Object> properties = Map.of("bootstrap.servers", kafka.bootstrapServers());
    try (KafkaProducer<String, String> producer =
        new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer())) {
      ProducerRecord<String, String> record =
          new ProducerRecord<>(topic, null, at.toEpochMilli(), "k", "{\"n\":0}");
      Map.of("ce_id", id, "ce_source", source, "ce_sequence", "0", header, "1")
          .forEach(
              (name, value) -> record.headers().add(name, value.getBytes(StandardCharsets.UTF_8)));
      producer.send(record).get();
    }
  }

  public List<Integer> numbersOf(List<ConsumerRecord<String, byte[]>> records) {
    return records.stream()
        .map(
            record ->
                Integer.valueOf(
                    new String(record.value(), StandardCharsets.UTF_8).replaceAll("\\D", "")))
        .toList();
  }

  /** Each event once, numbered as {@link #assertThatNumbersFit} says, sorted in each partition. */
  public void assertThatEventsAreExactly(int count) {
    List<ConsumerRecord<String, byte[]>> records = consume();
    assertThat(numbersOf(records))
        .containsExactlyInAnyOrderElementsOf(IntStream.range(0, count).boxed().toList());
    assertThatNumbersFit(records.stream().map(PipelineRig::sequence).toList());
    Map<Integer, List<Long>> byPartition =
        records.stream()
            .collect(
                Collectors.groupingBy(
                    ConsumerRecord::partition,
                    Collectors.mapping(PipelineRig::sequence, Collectors.toList())));
    byPartition.forEach(
        (partition, sequences) -> assertThat(sequences).as("partition %d", partition).isSorted());
  }

  /** Without a gap where events and position go together; elsewhere each is given once. */
  public void assertThatNumbersFit(List<Long> sequences) {
    assertThat(sequences).doesNotHaveDuplicates();
    if (memory == Memory.BROKER) {
      assertThat(sequences)
          .containsExactlyInAnyOrderElementsOf(
              LongStream.rangeClosed(1, sequences.size()).boxed().toList());
    }
  }

  private static long sequence(ConsumerRecord<String, byte[]> record) {
    return Long.parseLong(header(record, "ce_sequence"));
  }

  public static String header(ConsumerRecord<String, byte[]> record, String name) {
    return new String(record.headers().lastHeader(name).value(), StandardCharsets.UTF_8);
  }

  @Override
  public void close() {
    for (Pipeline pipeline : pipelines) {
      pipeline.stop(Duration.ofSeconds(20));
    }
    committed.values().forEach(CommittedRecords::close);
  }
}
