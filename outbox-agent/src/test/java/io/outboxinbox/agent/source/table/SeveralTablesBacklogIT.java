package io.outboxinbox.agent.source.table;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration.Column;
import io.outboxinbox.agent.source.SourceConfiguration.Layout;
import io.outboxinbox.agent.source.Sources;
import io.outboxinbox.agent.source.outbox.Candidates;
import io.outboxinbox.agent.source.outbox.Outboxes;
import io.outboxinbox.agent.source.outbox.PageLimit;
import io.outboxinbox.agent.source.table.Backlog.RowId;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Rows older than the slot, of tables that differ in all they can. */
class SeveralTablesBacklogIT {
  private static final PageLimit ALL = new PageLimit(5_000, 1 << 30);

  /** A UUIDv7 of 2026-11-24T12:00:00Z, and one a minute later. */
  private static final String NOON = "01a20d6d-5a00-7000-8000-000000000000";

  private static final String LATER = "01a20d6e-4460-7000-8000-000000000000";

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  private PostgresDatabase database;
  private SourceConfiguration source;
  private Backlog backlog;
  private Connection connection;

  @BeforeEach
  void setUp() throws Exception {
    database = postgres.newDatabase("04_agent");
    String columns = "aggregatetype text, aggregateid text, type text, payload text)";
    database.execute(
        "CREATE TABLE timed (id text PRIMARY KEY, happened timestamptz, " + columns,
        "CREATE TABLE plain (id uuid, " + columns);
    source =
        Sources.withTables(
            Sources.of(database, "timed", Layout.DEBEZIUM, Map.of(), List.of()),
            Sources.table(
                "timed", Layout.DEBEZIUM, Map.of(Column.OCCURRED_AT, "happened"), List.of()),
            Sources.table("plain", Layout.DEBEZIUM, Map.of(), List.of()));
    backlog = new Backlog(source);
    connection = database.connect();
  }

  @AfterEach
  void tearDown() throws SQLException {
    connection.close();
  }

  private void insertTimed(String id, String happened, String key) throws SQLException {
    database.execute(
        "INSERT INTO timed VALUES ('%s', %s, 'order', '%s', 'placed', 'x')"
            .formatted(id, happened == null ? "NULL" : "'" + happened + "'", key));
  }

  private void insertPlain(String id, String key, int bytes) throws SQLException {
    database.execute(
        "INSERT INTO plain VALUES ('%s', 'order', '%s', 'placed', repeat('x', %d))"
            .formatted(id, key, bytes));
  }

  private Backlog.Filled fill() throws SQLException {
    return backlog.fill(connection, "s", table -> Candidates.ALL);
  }

  private List<String> keys(BacklogPages.Page page) {
    return page.rows().stream()
        .map(
            row ->
                row instanceof Captured.Row found
                    ? found.event().table() + " " + found.event().aggregateId()
                    : row.getClass().getSimpleName())
        .toList();
  }

  private BacklogPages.Page read(long after, PageLimit limit) throws SQLException {
    return backlog.read(connection, "s", after, limit, SourcePosition.atCommit(1));
  }

  @Test
  void ordersOlderRowsOfSeveralTablesByTheTimeTheyTell() throws Exception {
    insertTimed("c", "2026-11-24T12:00:30Z", "between");
    insertTimed("b", "2026-11-24T11:00:00Z", "early");
    insertTimed("a", null, "of no time");
    insertPlain(LATER, "later", 1);
    insertPlain(NOON, "noon", 1);
    assertThat(fill())
        .as("one tells no time, so no time is the oldest")
        .isEqualTo(new Backlog.Filled(5, 5, 0, null));
    assertThat(keys(read(0, ALL)))
        .containsExactly(
            "timed of no time", "timed early", "plain noon", "timed between", "plain later");
    database.execute("DELETE FROM timed WHERE id = 'a'", "TRUNCATE outbox_backlog");
    assertThat(fill().oldest()).isEqualTo(Instant.parse("2026-11-24T11:00:00Z"));
  }

  @Test
  void readsPagesAcrossTablesWithinTheirBytes() throws Exception {
    for (int i = 0; i < 10; i++) {
      insertTimed("t" + i, "2026-11-24T12:00:%02dZ".formatted(i), "t" + i);
      insertPlain(
          "01a20d6d-%04x-7000-8000-000000000000".formatted(0x5a00 + 1000 * i), "p" + i, 900);
    }
    fill();
    List<Integer> pages = new ArrayList<>();
    List<String> keys = new ArrayList<>();
    long after = 0;
    BacklogPages.Page page;
    do {
      page = read(after, new PageLimit(100, 2_000));
      after = page.lastOrdinal();
      pages.add(page.rows().size());
      keys.addAll(keys(page));
    } while (!page.rows().isEmpty());
    assertThat(keys).hasSize(20).doesNotHaveDuplicates();
    assertThat(keys).startsWith("timed t0", "plain p0", "timed t1", "plain p1");
    // Two rows of a thousand bytes, and what lies between them.
    assertThat(pages).startsWith(4, 4, 4, 4, 4);
  }

  @Test
  void rowsOfTwoTablesThatShareAnIdAreTwoRows() throws Exception {
    insertTimed(NOON, "2026-11-24T12:00:00Z", "one");
    insertPlain(NOON, "two", 1);
    insertPlain(LATER, "three", 1);
    park("timed", "'" + NOON + "'");
    park("plain", "'" + LATER + "'");
    assertThat(fill())
        .extracting(Backlog.Filled::candidates, Backlog.Filled::parked)
        .containsExactly(1L, 2L);
    assertThat(keys(read(0, ALL))).containsExactly("plain two");

    database.execute("TRUNCATE outbox_backlog, outbox_parked");
    fill();
    assertThat(keys(read(0, ALL))).containsExactly("timed one", "plain two", "plain three");
    List<Backlog.Numbered> numbered = backlog.numbered(connection, "s", 0, 3);
    assertThat(Backlog.latest(numbered))
        .containsEntry(new RowId("timed", NOON), 1L)
        .containsEntry(new RowId("plain", NOON), 2L)
        .containsEntry(new RowId(null, NOON), 2L);
    assertThat(backlog.remove(connection, "s", List.of(new RowId("plain", NOON))))
        .containsExactly(new Backlog.Numbered("plain", NOON, 2));
    assertThat(keys(read(0, ALL))).containsExactly("timed one", "plain three");
    assertThat(
            backlog.remove(
                connection, "s", List.of(new RowId(null, NOON), new RowId("timed", LATER))))
        .containsExactly(new Backlog.Numbered("timed", NOON, 1));

    Outboxes outboxes = new Outboxes(source.outboxes());
    assertThat(outboxes.count(connection)).isEqualTo(3);
    String ids = "(VALUES ('timed', '%s'), ('plain', '%1$s'), ('gone', '%1$s')) t (n, id)";
    String contained =
        "SELECT n FROM %s WHERE %s"
            .formatted(ids.formatted(LATER), outboxes.contains(connection, "t.n", "t.id"));
    assertThat(database.list(contained)).containsExactlyInAnyOrder("plain", "gone");
  }

  private void park(String table, String id) throws SQLException {
    database.execute(
        """
        INSERT INTO outbox_parked (source, ordinal, event_id, source_table, reason, is_behind,
          epoch, xid, lsn, committed_at)
        SELECT 's', coalesce(max(ordinal), 0) + 1, %s, %s, 'r', false, 1, 1, '0/1', now()
        FROM outbox_parked
        """
            .formatted(id, table == null ? "NULL" : "'" + table + "'"));
  }

  /** Which row it is nobody can tell: leaving out either might lose an event. */
  @Test
  void refusesParkedEventsOfWhichNobodyCanTellTheTable() throws Exception {
    insertPlain(NOON, "noon", 1);
    insertPlain(LATER, "later", 1);
    park(null, "'" + NOON + "'");
    park("before", "'" + LATER + "'");
    assertThatThrownBy(this::fill)
        .isInstanceOfSatisfying(
            AgentException.Misconfigured.class,
            e ->
                assertThat(e)
                    .hasMessageContaining("parked events [1, 2] of source s")
                    .hasMessageContaining("WHERE source = 's' AND ordinal IN (1, 2)"));
    database.execute("TRUNCATE outbox_backlog", "UPDATE outbox_parked SET source_table = 'plain'");
    fill();
    assertThat(read(0, ALL).rows()).isEmpty();
  }

  /** Of what was taken from the list nothing stops the others, nor hides their rows. */
  @Test
  void parkedEventsOfATableThatWasGivenUpSayNothingOfTheOthers() throws Exception {
    database.execute("CREATE TABLE given_up ()");
    insertPlain(NOON, "noon", 1);
    insertPlain(LATER, "later", 1);
    park("given_up", "'" + NOON + "'");
    park("dropped", "'an id that is in no table'");
    fill();
    assertThat(keys(read(0, ALL))).containsExactly("plain noon", "plain later");
    Backlog ofOne = new Backlog(plainOnly());
    database.execute("TRUNCATE outbox_backlog");
    park("name of before", "'" + LATER + "'");
    ofOne.fill(connection, "s", table -> Candidates.ALL);
    assertThat(keys(ofOne.read(connection, "s", 0, ALL, SourcePosition.atCommit(1))))
        .containsExactly("plain noon");
  }

  private SourceConfiguration plainOnly() {
    return Sources.withTables(source, Sources.table("plain", Layout.DEBEZIUM, Map.of(), List.of()));
  }

  /** Such as where one table's older rows are to be skipped. */
  @Test
  void writesDownOnlyTheCandidatesOfEachTable() throws Exception {
    insertTimed("a", "2026-11-24T12:00:00Z", "skipped");
    insertPlain(NOON, "published", 1);
    backlog.fill(
        connection, "s", table -> table.name().equals("timed") ? Candidates.NONE : Candidates.ALL);
    assertThat(keys(read(0, ALL))).containsExactly("plain published");
  }

  @Test
  void rowsOfATableThatIsNotConfiguredAreNotPassedOver() throws Exception {
    insertPlain(NOON, "noon", 1);
    fill();
    database.execute(
        "INSERT INTO outbox_backlog VALUES ('s', 2, 'x', 'gone'), ('s', 3, 'y', NULL)");
    assertThatThrownBy(() -> read(0, ALL))
        .isInstanceOf(AgentException.Misconfigured.class)
        .hasMessageContaining("has rows of a table that is not configured");
  }

  @Test
  void aListOfTheVersionBeforeIsReadAsThatOfItsOneTable() throws Exception {
    insertPlain(NOON, "noon", 1);
    insertPlain(LATER, "later", 1);
    Backlog ofOne = new Backlog(plainOnly());
    database.execute(
        "INSERT INTO outbox_backlog (source, ordinal, event_id) VALUES ('s', 1, '%s'), ('s', 2, '%s')"
            .formatted(LATER, NOON));
    assertThat(keys(ofOne.read(connection, "s", 0, ALL, SourcePosition.atCommit(1))))
        .containsExactly("plain later", "plain noon");
    assertThat(
            ofOne.remove(connection, "s", List.of(new RowId(null, NOON))).stream()
                .map(Backlog.Numbered::ordinal)
                .collect(Collectors.toList()))
        .containsExactly(2L);
  }
}
