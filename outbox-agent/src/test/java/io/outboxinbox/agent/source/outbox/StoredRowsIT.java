package io.outboxinbox.agent.source.outbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.ProcessZone;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration.Column;
import io.outboxinbox.agent.source.SourceConfiguration.Layout;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.Sources;
import io.outboxinbox.agent.source.table.Backlog;
import io.outboxinbox.agent.source.table.BacklogPages;
import io.outboxinbox.agent.source.table.ToldTimes;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Processes and sessions are in other zones than the times of the log. */
class StoredRowsIT {
  private static final PageLimit PAGE = new PageLimit(100, 1 << 20);

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final ProcessZone zone = new ProcessZone("America/New_York");

  private PostgresDatabase database;
  private Connection connection;
  private SourceConfiguration source;

  @BeforeEach
  void setUp() throws Exception {
    database = postgres.newDatabase();
    source = Sources.of(database, "own", Layout.DEBEZIUM, mapped(), List.of());
    connection = new SourceConnections(source).open("test", 30);
  }

  private static Map<Column, String> mapped() {
    return Map.of(Column.OCCURRED_AT, "happened");
  }

  @AfterEach
  void tearDown() throws SQLException {
    connection.close();
  }

  private void create(String timeType) throws SQLException {
    database.execute(
        "CREATE DOMAIN late AS timestamp",
        "CREATE TABLE own (id text PRIMARY KEY, aggregatetype text, aggregateid text, type text,"
            + " payload text, happened "
            + timeType
            + ")",
        "INSERT INTO own VALUES ('a', 'order', '1', 'placed', '{}', '2026-11-24T12:00:00Z')",
        "INSERT INTO own VALUES ('b', 'order', '1', 'placed', '{}', '2026-11-24T13:00:00Z')");
  }

  private List<StoredRows.Stored> read(long endedXid, Instant from, Instant until)
      throws SQLException {
    StoredRows.Selection selection =
        new StoredRows.Selection(from, until, List.of(), "order", null);
    return new StoredRows(source.outboxes().get(0), endedXid)
        .page(connection, selection, null, PAGE);
  }

  /** The log brings a time without a zone as UTC; a session elsewhere must choose by the same. */
  @ParameterizedTest
  @ValueSource(strings = {"timestamp", "timestamptz", "late"})
  void choosesByTheTimeTheMessageTellsWhateverTheSessionsZone(String type) throws Exception {
    create(type);
    try (Statement statement = connection.createStatement()) {
      statement.execute("SET TimeZone = 'Asia/Kathmandu'");
    }
    Instant noon = Instant.parse("2026-11-24T12:00:00Z");
    assertThat(read(0, noon, noon.plusSeconds(60)))
        .extracting(StoredRows.Stored::id)
        .containsExactly("a");
    assertThat(read(0, noon.plusSeconds(60), null))
        .extracting(StoredRows.Stored::id)
        .containsExactly("b");
  }

  @ParameterizedTest
  @ValueSource(strings = {"timestamp", "timestamptz", "late"})
  void theOldestTimeIsThatOfTheLogWhateverTheSessionsZone(String type) throws Exception {
    create(type);
    database.runScript("schema/postgresql/04_agent.sql");
    database.execute("UPDATE own SET happened = happened - interval '10 years'");
    try (Statement statement = connection.createStatement()) {
      statement.execute("SET TimeZone = 'Asia/Kathmandu'");
    }
    assertThat(new Backlog(source).fill(connection, "s", table -> Candidates.ALL).oldest())
        .isEqualTo(Instant.parse("2016-11-24T12:00:00Z"));
  }

  /** A clock that is ahead does not tell how long ago its rows were published. */
  @Test
  void noTimeIsTheOldestOfRowsOfWhichOneTellsATimeToCome() throws Exception {
    create("timestamptz");
    database.runScript("schema/postgresql/04_agent.sql");
    database.execute("UPDATE own SET happened = now() + interval '3 days' WHERE id = 'b'");
    Backlog backlog = new Backlog(source);
    assertThat(backlog.fill(connection, "s", table -> Candidates.ALL).oldest()).isNull();
    database.execute("UPDATE own SET id = '01985bd4-a1a5-7000-8000-000000000000' WHERE id = 'b'");
    database.execute("TRUNCATE outbox_backlog");
    assertThat(backlog.fill(connection, "s", table -> Candidates.ALL).oldest()).isNotNull();
    assertThat(new ToldTimes(source).countWithoutTimeInId(connection, "s")).isEqualTo(1);
    // Begins like one, and is none.
    database.execute(
        "UPDATE outbox_backlog SET event_id = '20240101-0000-7000-order' WHERE event_id LIKE '0198%'");
    assertThat(new ToldTimes(source).countWithoutTimeInId(connection, "s")).isEqualTo(2);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 100})
  void readsEachOfTheOlderRowsThatShareAnIdOnceHoweverPagesEnd(int rowsMax) throws Exception {
    create("timestamptz");
    database.runScript("schema/postgresql/04_agent.sql");
    database.execute(
        "ALTER TABLE own DROP CONSTRAINT own_pkey",
        "INSERT INTO own VALUES ('a', 'order', '2', 'placed', '{}', now())");
    Backlog backlog = new Backlog(source);
    backlog.fill(connection, "s", table -> Candidates.ALL);
    List<String> read = new ArrayList<>();
    PageLimit limit = new PageLimit(rowsMax, 1 << 20);
    long after = -1;
    long last = 0;
    while (after != last) {
      after = last;
      BacklogPages.Page page =
          backlog.read(connection, "s", after, limit, SourcePosition.atCommit(1));
      for (Captured row : page.rows()) {
        OutboxEvent event = ((Captured.Row) row).event();
        read.add(event.id() + event.aggregateId());
      }
      last = page.lastOrdinal();
    }
    assertThat(read).containsExactlyInAnyOrder("a1", "a2", "b1");
    assertThat(last).isEqualTo(backlog.end(connection, "s"));
  }

  /** A purge asks for each discarded event, and an operator may have given it any id. */
  @ParameterizedTest
  @CsvSource({
    "smallint, '-32768, 0, 32767', '32768, -32769, 9223372036854775807'",
    "integer, '-2147483648, 7, 2147483647', '2147483648, 9223372036854775807'",
    "bigint, '-9223372036854775808, 154181560360603648, 1541815603606036480, 9223372036854775807',"
        + " '9223372036854775808, -9223372036854775809, 1541815603606036481'",
    "uuid, 01985bd4-a1a5-7000-8000-000000000000, 01985bd4-a1a5-7000-8000-000000000001",
    "text, 'a, 7', 'A, 8'",
    "varchar(3), 'abc, 7', 'abcd, ABC'",
    "char(3), 'abc, 7', 'abcd, 8'",
  })
  void tellsByTheIndexWhetherARowOfAnIdIsThere(String type, String present, String absent)
      throws Exception {
    database.execute("CREATE TABLE own (id " + type + " PRIMARY KEY)");
    for (String id : present.split(", ", -1)) {
      database.execute("INSERT INTO own VALUES ('" + id + "')");
    }
    assertThat(found(present)).containsExactly(present.split(", ", -1));
    assertThat(found(absent)).isEmpty();
    assertThat(found("99999999999999999999, -, 1.5, 1e3, x, \"\", 01985bd4")).isEmpty();
    if (type.equals("uuid")) {
      assertThat(found(present.toUpperCase(Locale.ROOT))).as("as an operator wrote it").hasSize(1);
    }
  }

  /** Those of some ids of which the table has a row. */
  private List<String> found(String ids) throws SQLException {
    String sql =
        "SELECT string_agg(t.id, ', ' ORDER BY n) FILTER (WHERE %2$s) FROM unnest('{%1$s}'::text[]) WITH ORDINALITY t(id, n)"
            .formatted(ids, new Outboxes(source.outboxes()).contains(connection, "NULL", "t.id"));
    try (Statement statement = connection.createStatement()) {
      statement.execute("SET enable_seqscan = off");
      assertThat(first(statement, "EXPLAIN (FORMAT JSON) " + sql)).contains("Index Cond");
      String found = first(statement, sql);
      return found == null ? List.of() : List.of(found.split(", ", -1));
    }
  }

  private static String first(Statement statement, String sql) throws SQLException {
    try (ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getString(1);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 100})
  void pagesEndBehindAllRowsThatShareAnId(int rowsMax) throws Exception {
    create("timestamptz");
    database.execute(
        "ALTER TABLE own DROP CONSTRAINT own_pkey",
        "INSERT INTO own VALUES ('a', 'order', '2', 'placed', '{}', now())");
    StoredRows rows = new StoredRows(source.outboxes().get(0), StoredRows.NO_POSITION);
    StoredRows.Selection all = new StoredRows.Selection(null, null, List.of(), "order", null);
    List<String> read = new ArrayList<>();
    String after = null;
    List<StoredRows.Stored> page;
    do {
      page = rows.page(connection, all, after, new PageLimit(rowsMax, 1 << 20));
      for (StoredRows.Stored stored : page) {
        read.add(stored.id() + stored.event().aggregateId());
        after = stored.id();
      }
    } while (!page.isEmpty());
    assertThat(read).containsExactlyInAnyOrder("a1", "a2", "b1");
  }

  /** Nothing of a first start is lost in silence, and it does not fail at them for ever. */
  @Test
  void refusesOlderRowsWithoutAnIdWithAWayOut() throws Exception {
    create("timestamptz");
    database.runScript("schema/postgresql/04_agent.sql");
    database.execute(
        "ALTER TABLE own DROP CONSTRAINT own_pkey",
        "ALTER TABLE own ALTER COLUMN id DROP NOT NULL",
        "INSERT INTO own VALUES (NULL, 'order', '1', 'placed', '{}', now())");
    Backlog backlog = new Backlog(source);
    assertThatThrownBy(() -> backlog.fill(connection, "s", table -> Candidates.ALL))
        .isInstanceOf(AgentException.Misconfigured.class)
        .hasMessageContaining("1 rows of table \"public\".\"own\" have no \"id\"")
        .hasMessageContaining("ALTER COLUMN \"id\" SET NOT NULL");
    database.execute("UPDATE own SET id = 'c' WHERE id IS NULL");
    assertThat(backlog.fill(connection, "s", table -> Candidates.ALL).candidates()).isEqualTo(3);
  }

  @Test
  void takesNoRowForPublishedWhileThePositionDoesNotTellAndEveryRowWhereThereIsNone()
      throws Exception {
    create("timestamptz");
    assertThat(read(0, null, null)).hasSize(2).noneMatch(StoredRows.Stored::isPublished);
    assertThat(read(StoredRows.NO_POSITION, null, null))
        .hasSize(2)
        .allMatch(StoredRows.Stored::isPublished);
  }
}
