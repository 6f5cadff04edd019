package io.outboxinbox.agent.source.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration.Column;
import io.outboxinbox.agent.source.SourceConfiguration.Layout;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.Sources;
import io.outboxinbox.agent.source.slot.FirstStart;
import io.outboxinbox.agent.source.slot.ServerState;
import io.outboxinbox.agent.source.slot.SlotState;
import io.outboxinbox.agent.source.table.SourceRegistry;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import java.io.StringReader;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.postgresql.PGConnection;

/** What reading several tables must do on every supported PostgreSQL. */
abstract class SeveralTablesContract {
  static final String NONCE = "nonce";
  static final Duration WITHIN = Duration.ofSeconds(90);

  PostgresDatabase database;
  LogReader reader;

  abstract PostgresExtension postgres();

  @BeforeEach
  void setUp() throws Exception {
    database = postgres().newDatabase("01_outbox", "02_partitions", "03_publication", "04_agent");
  }

  @AfterEach
  void tearDown() {
    close();
  }

  @Test
  void readsSeveralTablesOfOneTransactionInTheOrderTheyWereWritten() throws Exception {
    SourceConfiguration source = standardAndOther();
    start(source, createSlot(source));
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      connection.setAutoCommit(false);
      for (int i = 0; i < 3; i++) {
        statement.execute(insertOf("outbox_event", "event-" + i));
        statement.execute(insertOf("other", "other-" + i));
      }
      connection.commit();
    }
    List<Captured> all = readUntilEnds(1);
    List<Captured.Row> rows =
        all.stream().filter(Captured.Row.class::isInstance).map(Captured.Row.class::cast).toList();
    assertThat(keysOf(rows))
        .containsExactly("event-0", "other-0", "event-1", "other-1", "event-2", "other-2");
    assertThat(rows)
        .allSatisfy(
            row ->
                assertThat(row.event().table())
                    .isEqualTo(
                        row.event().aggregateId().startsWith("other") ? "other" : "outbox_event"));
    assertThat(all).hasSize(7);
  }

  @Test
  void resumesExactlyBehindAnyRowOfTransactionsOverSeveralTables() throws Exception {
    SourceConfiguration source = standardAndOther();
    SourcePosition seed = createSlot(source);
    try (Connection a = database.connect();
        Connection b = database.connect()) {
      a.setAutoCommit(false);
      b.setAutoCommit(false);
      insert(a, "a1");
      copy(b, "other", "b", 5);
      copy(a, "outbox_event", "a", 5);
      copy(a, "other", "a-other", 5);
      insert(a, "a2");
      copy(b, "outbox_event", "b-event", 5);
      b.commit();
      a.commit();
    }
    start(source, seed);
    List<Captured.Row> rows = readRows(22);
    List<String> keys = keysOf(rows);
    for (int behind = 0; behind < rows.size(); behind += 3) {
      start(source, rows.get(behind).position());
      List<String> rest = readKeys(rows.size() - behind - 1);
      assertThat(rest).as("behind row %d", behind).isEqualTo(keys.subList(behind + 1, keys.size()));
    }
  }

  /** Debezium makes plain names of both, and they are the same. */
  @Test
  void readsEachTableByItsOwnColumns() throws Exception {
    database.execute(
        "CREATE TABLE a_b (id text, aggregatetype text, aggregateid text, type text, payload text)",
        "CREATE TABLE \"a b\" (type text, id bigint, kind text, thing text, body bytea, tenant text)",
        "ALTER PUBLICATION outbox_publication ADD TABLE a_b, \"a b\"");
    SourceConfiguration source =
        Sources.withTables(
            standard(),
            Sources.table("a_b", Layout.DEBEZIUM, Map.of(), List.of()),
            Sources.table(
                "a b",
                Layout.DEBEZIUM,
                Map.of(
                    Column.AGGREGATE_TYPE, "kind",
                    Column.AGGREGATE_ID, "thing",
                    Column.PAYLOAD, "body"),
                List.of("tenant")));
    start(source, createSlot(source));
    for (int i = 0; i < 2; i++) {
      database.execute(
          "INSERT INTO a_b VALUES ('1', 'order', '17', 'placed', 'text')",
          "INSERT INTO \"a b\" VALUES ('billed', 1, 'bill', '18', '\\x00ff', 'acme')");
    }
    List<Captured.Row> rows = readRows(4);
    for (int i = 0; i < 4; i += 2) {
      OutboxEvent first = rows.get(i).event();
      assertThat(List.of(first.table(), first.id(), first.aggregateId(), first.eventType()))
          .containsExactly("a_b", "1", "17", "placed");
      OutboxEvent second = rows.get(i + 1).event();
      assertThat(List.of(second.table(), second.id(), second.aggregateId(), second.eventType()))
          .containsExactly("a b", "1", "18", "billed");
      assertThat(second.payload()).isEqualTo(new byte[] {0, (byte) 0xff});
      assertThat(second.extra()).containsEntry("tenant", "acme");
    }
  }

  /** Both are known by their ids; the names of then are those of each other. */
  @Test
  void knowsTablesThatSwappedTheirNames() throws Exception {
    SourceConfiguration source = standardAndOther();
    SourcePosition seed = createSlot(source);
    database.execute(
        insertOf("outbox_event", "of the later other"),
        insertOf("other", "of the later outbox_event"),
        "ALTER TABLE outbox_event RENAME TO away",
        "ALTER TABLE other RENAME TO outbox_event",
        "ALTER TABLE away RENAME TO other",
        insertOf("other", "of the later other"),
        insertOf("outbox_event", "of the later outbox_event"));
    start(source, seed);
    assertThat(readRows(4))
        .allSatisfy(
            row ->
                assertThat(row.event().aggregateId())
                    .isEqualTo("of the later " + row.event().table()));
  }

  @Test
  void aColumnMissingInOneTableNamesThatTable() throws Exception {
    database.execute(
        "CREATE TABLE loose (id text, aggregatetype text, aggregateid text, type text, payload text)",
        "ALTER PUBLICATION outbox_publication ADD TABLE loose");
    SourceConfiguration source =
        Sources.withTables(
            standard(),
            Sources.table("outbox_event"),
            Sources.table("loose", Layout.DEBEZIUM, Map.of(), List.of("tenant")));
    start(source, createSlot(source));
    database.execute(insertOf("fine"));
    readRows(1);
    database.execute("INSERT INTO loose VALUES ('1', 'order', '17', 'placed', 'x')");
    assertThatThrownBy(() -> readRows(1))
        .isInstanceOf(AgentException.Gap.class)
        .hasMessageContaining("rows in the log of table public.loose have no column tenant");
  }

  private SourceConfiguration standardAndOther() throws Exception {
    database.execute(
        "CREATE TABLE other (LIKE outbox_event INCLUDING ALL)",
        "ALTER PUBLICATION outbox_publication ADD TABLE other");
    return Sources.withTables(standard(), Sources.table("outbox_event"), Sources.table("other"));
  }

  SourceConfiguration standard() {
    return Sources.of(database, "outbox_event", Layout.STANDARD, Map.of(), List.of());
  }

  /** Returns a position behind all that a first start writes by itself. */
  SourcePosition createSlot(SourceConfiguration source) throws Exception {
    SourceRegistry registry = new SourceRegistry(source);
    try (Connection connection = database.connect()) {
      registry.register(connection, "s");
      registry.beginEpoch(connection, "s", 1, "");
      new FirstStart(source, new SourceConnections(source))
          .createSlot("s", new SourceRegistry.Turn(1, 0), Optional.empty());
      return SourcePosition.atCommit(ServerState.of(connection).currentWalLsn());
    }
  }

  void start(SourceConfiguration source, SourcePosition from) {
    close();
    awaitFree(source);
    reader = new LogReader(source, from, NONCE, 100);
    reader.start();
  }

  /** The server ends the session of a reader that has gone in its own time. */
  void awaitFree(SourceConfiguration source) {
    await().atMost(WITHIN).until(() -> !slot(source).active());
  }

  void close() {
    if (reader != null) {
      reader.close();
      reader = null;
    }
  }

  List<Captured.Row> readRows(int count) throws Exception {
    List<Captured.Row> rows = new ArrayList<>();
    long deadline = System.nanoTime() + WITHIN.toNanos();
    while (rows.size() < count && System.nanoTime() < deadline) {
      for (Captured captured : reader.poll()) {
        if (captured instanceof Captured.Row row) {
          rows.add(row);
        }
      }
    }
    assertThat(rows).hasSize(count);
    return rows;
  }

  List<String> readKeys(int count) throws Exception {
    return keysOf(readRows(count));
  }

  static List<String> keysOf(List<Captured.Row> rows) {
    return rows.stream().map(row -> row.event().aggregateId()).toList();
  }

  /** Everything up to the given number of transactions' ends. */
  List<Captured> readUntilEnds(int count) throws Exception {
    List<Captured> all = new ArrayList<>();
    long deadline = System.nanoTime() + WITHIN.toNanos();
    while (all.stream().filter(Captured.TransactionEnd.class::isInstance).count() < count
        && System.nanoTime() < deadline) {
      all.addAll(reader.poll());
    }
    assertThat(all.stream().filter(Captured.TransactionEnd.class::isInstance)).hasSize(count);
    return all;
  }

  long confirmedFlushLsn(SourceConfiguration source) throws Exception {
    return slot(source).confirmedFlushLsn();
  }

  SlotState slot(SourceConfiguration source) throws Exception {
    try (Connection connection = database.connect()) {
      return SlotState.of(connection, source.slot()).orElseThrow();
    }
  }

  static String insertOf(String key) {
    return insertOf("outbox_event", key);
  }

  static String insertOf(String table, String key) {
    return "INSERT INTO %s (aggregate_type, aggregate_id, event_type) VALUES ('order', '%s', 'placed')"
        .formatted(table, key);
  }

  static void insert(Connection connection, String key) throws Exception {
    try (Statement statement = connection.createStatement()) {
      statement.execute(insertOf(key));
    }
  }

  /**
   * Names every column whose default is volatile: only then does PostgreSQL put many rows into one
   * log record, and they share its LSN.
   */
  static void copy(Connection connection, String key, int rows) throws Exception {
    copy(connection, "outbox_event", key, rows);
  }

  static void copy(Connection connection, String table, String key, int rows) throws Exception {
    StringBuilder lines = new StringBuilder();
    for (int i = 1; i <= rows; i++) {
      lines
          .append(UUID.randomUUID())
          .append("\torder\t")
          .append(key)
          .append("-copy-")
          .append(i)
          .append("\tplaced\t")
          .append(Instant.now())
          .append('\n');
    }
    connection
        .unwrap(PGConnection.class)
        .getCopyAPI()
        .copyIn(
            "COPY "
                + table
                + " (id, aggregate_type, aggregate_id, event_type, occurred_at) FROM STDIN",
            new StringReader(lines.toString()));
  }
}
