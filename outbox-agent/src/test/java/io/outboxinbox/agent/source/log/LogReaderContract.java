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
import io.outboxinbox.agent.source.slot.SlotState;
import io.outboxinbox.agent.source.table.Backlog;
import io.outboxinbox.agent.source.table.SourceRegistry;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.Statement;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** What reading the log must do on every supported PostgreSQL. */
abstract class LogReaderContract extends SeveralTablesContract {
  @Test
  void resumesExactlyBehindAnyRowOfInterleavedAndCopiedTransactions() throws Exception {
    SourceConfiguration source = standard();
    SourcePosition seed = createSlot(source);
    writeInterleaved();
    start(source, seed);
    List<Captured.Row> rows = readRows(39);
    assertThat(rows).as("rows that share an LSN").anyMatch(row -> row.position().ordinal() > 1);
    List<String> keys = keysOf(rows);
    for (int behind = 0; behind < rows.size(); behind += 3) {
      start(source, rows.get(behind).position());
      List<String> rest = readKeys(rows.size() - behind - 1);
      assertThat(rest).as("behind row %d", behind).isEqualTo(keys.subList(behind + 1, keys.size()));
    }
  }

  /** Two open transactions take turns, one of them copies; a third commits in between. */
  private void writeInterleaved() throws Exception {
    try (Connection a = database.connect();
        Connection b = database.connect();
        Connection c = database.connect()) {
      a.setAutoCommit(false);
      b.setAutoCommit(false);
      insert(a, "a1");
      copy(b, "b", 12);
      insert(a, "a2");
      insert(c, "c1");
      copy(a, "a", 12);
      insert(b, "b13");
      a.commit();
      insert(c, "c2");
      b.commit();
      c.setAutoCommit(false);
      insert(c, "never");
      c.rollback();
      copy(c, "c", 10);
      c.commit();
    }
  }

  @Test
  void rehearsalTouchesNoSlot() throws Exception {
    SourceConfiguration source = standard();
    database.execute("INSERT INTO outbox_agent_source (source) VALUES ('rehearsed')");
    LogRehearsal.run(source);
    try (Connection connection = database.connect()) {
      assertThat(SlotState.of(connection, source.slot())).isEmpty();
    }
    SourcePosition seed = createSlot(source);
    try (Connection connection = database.connect()) {
      insert(connection, "first");
      start(source, seed);
      readRows(1);
      LogRehearsal.run(source);
      insert(connection, "second");
      assertThat(readRows(1).get(0).event().aggregateId()).isEqualTo("second");
    }
  }

  @Test
  void leavesOutWhatWasRolledBackAndEndsEveryTransaction() throws Exception {
    SourceConfiguration source = standard();
    start(source, createSlot(source));
    try (Connection connection = database.connect()) {
      connection.setAutoCommit(false);
      insert(connection, "rolled-back");
      connection.rollback();
      insert(connection, "committed");
      connection.commit();
    }
    List<Captured> all = readUntilEnds(1);
    assertThat(all).hasSize(2);
    assertThat(((Captured.Row) all.get(0)).event().aggregateId()).isEqualTo("committed");
    SourcePosition end = ((Captured.TransactionEnd) all.get(1)).position();
    assertThat(end.isInsideTransaction()).isFalse();
    assertThat(end.commitLsn()).isGreaterThan(((Captured.Row) all.get(0)).position().lsn());
  }

  @Test
  void deliversRowsOfPartitionsMadeWhileStreaming() throws Exception {
    SourceConfiguration source = standard();
    start(source, createSlot(source));
    database.execute("SELECT outbox_partitions_create(30)");
    database.execute(
        "INSERT INTO outbox_event (id, aggregate_type, aggregate_id, event_type) SELECT"
            + " outbox_uuid7_floor(now() + interval '29 days'), 'order', 'later', 'placed'");
    assertThat(readRows(1).get(0).event().aggregateId()).isEqualTo("later");
  }

  /**
   * Partitioned: PostgreSQL tells its name once for each partition, and not again when it changes.
   */
  @Test
  void deliversRowsUnderWhateverNameTheTableHadWhenTheyWereWritten() throws Exception {
    SourceConfiguration source = standard();
    SourcePosition seed = createSlot(source);
    database.execute(
        "CREATE SCHEMA elsewhere",
        "ALTER TABLE outbox_event RENAME TO away",
        insertOf("away", "renamed"),
        "ALTER TABLE away RENAME TO outbox_event",
        insertOf("back"),
        "ALTER TABLE outbox_event SET SCHEMA elsewhere",
        insertOf("elsewhere.outbox_event", "moved"),
        "ALTER TABLE elsewhere.outbox_event SET SCHEMA public",
        insertOf("last"));
    start(source, seed);
    assertThat(readKeys(4)).containsExactly("renamed", "back", "moved", "last");
  }

  @Test
  void deliversRowsWrittenInTheTransactionThatRenamesAndRenamesBack() throws Exception {
    SourceConfiguration source = standard();
    start(source, createSlot(source));
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      connection.setAutoCommit(false);
      statement.execute("ALTER TABLE outbox_event RENAME TO away");
      statement.execute(insertOf("away", "renamed"));
      statement.execute("ALTER TABLE away RENAME TO outbox_event");
      connection.commit();
    }
    database.execute(insertOf("back"));
    assertThat(readKeys(2)).containsExactly("renamed", "back");
  }

  /** Each row in the layout that its table had then, and nothing of a table without either mark. */
  @Test
  void knowsItsTableByIdAndByNameWhereEveryTableIsPublished() throws Exception {
    String columns = "aggregatetype text, aggregateid text, type text, payload text)";
    database.execute(
        "DROP PUBLICATION outbox_publication",
        "CREATE PUBLICATION outbox_publication FOR ALL TABLES WITH (publish = 'insert')",
        "CREATE TABLE box (id text, note text, " + columns,
        "CREATE TABLE next (payload text, id text, type text, aggregateid text, aggregatetype text)");
    SourceConfiguration source = Sources.of(database, "box", Layout.DEBEZIUM, Map.of(), List.of());
    SourcePosition seed = createSlot(source);
    for (String key : List.of("1", "2")) {
      database.execute(looseOf("box", "box-" + key), looseOf("next", "next-" + key));
    }
    database.execute(
        "ALTER TABLE box DROP COLUMN note",
        looseOf("box", "box-3"),
        looseOf("next", "next-3"),
        "DROP TABLE box",
        "ALTER TABLE next RENAME TO box",
        looseOf("box", "next-4"),
        "CREATE TABLE next (id text, " + columns,
        looseOf("next", "foreign"),
        looseOf("box", "next-5"));
    start(source, seed);
    assertThat(readKeys(8))
        .containsExactly(
            "box-1", "next-1", "box-2", "next-2", "box-3", "next-3", "next-4", "next-5");
  }

  private static String looseOf(String table, String key) {
    return "INSERT INTO %s (id, aggregatetype, aggregateid, type, payload) VALUES ('%s', 'order', '%s', 'placed', 'x')"
        .formatted(table, key, key);
  }

  @Test
  void flushesTheSlotToWhatWasCommittedAndNoFurther() throws Exception {
    SourceConfiguration source = standard();
    start(source, createSlot(source));
    database.execute(insertOf("first"));
    List<Captured> all = readUntilEnds(1);
    SourcePosition committed = ((Captured.TransactionEnd) all.get(1)).position();
    database.execute(insertOf("second"));
    readUntilEnds(1);
    reader.commit(committed);
    await()
        .atMost(WITHIN)
        .untilAsserted(
            () -> {
              reader.poll();
              assertThat(confirmedFlushLsn(source)).isEqualTo(committed.commitLsn());
            });
  }

  @Test
  void returnsOnlyPulsesThatCarryItsNonce() throws Exception {
    SourceConfiguration source = standard();
    start(source, createSlot(source));
    for (String content :
        List.of(
            "other:1:700:mark",
            NONCE + ":x",
            NONCE + ":4:many:mark",
            NONCE + ":5:700:publication 1/2: mark")) {
      database.execute("SELECT pg_logical_emit_message(true, 'outbox-agent', '" + content + "')");
    }
    database.execute("SELECT pg_logical_emit_message(false, 'foreign', 'x')");
    List<Captured> all = readUntilEnds(4);
    assertThat(all.stream().filter(Captured.Pulse.class::isInstance))
        .containsExactly(new Captured.Pulse(5, 700, "publication 1/2: mark"));
  }

  @Test
  void readsOtherTablesColumnsAndPayloads() throws Exception {
    for (String type : List.of("json", "jsonb", "text", "bytea", "varchar(100)")) {
      String table = "t_" + type.replaceAll("\\W.*", "");
      database.execute(
          "CREATE TABLE "
              + table
              + " (nr bigint PRIMARY KEY, aggregatetype varchar(255),"
              + " aggregateid varchar(255), type varchar(255), payload "
              + type
              + ", tenant text)",
          "ALTER PUBLICATION outbox_publication ADD TABLE " + table);
      SourceConfiguration source =
          Sources.of(database, table, Layout.DEBEZIUM, Map.of(Column.ID, "nr"), List.of("tenant"));
      SourcePosition seed = createSlot(source);
      database.execute(
          "INSERT INTO " + table + " VALUES (1, 'order', '17', 'placed', '{\"a\": 1}', 'acme')");
      start(source, seed);
      OutboxEvent event = readRows(1).get(0).event();
      assertThat(event.id()).isEqualTo("1");
      assertThat(event.eventType()).isEqualTo("placed");
      assertThat(event.extra()).containsEntry("tenant", "acme");
      assertThat(new String(event.payload(), StandardCharsets.UTF_8))
          .as(type)
          .isEqualTo("{\"a\": 1}");
      close();
      awaitFree(source);
      database.execute("SELECT pg_drop_replication_slot('" + source.slot() + "')");
    }
  }

  @Test
  void handsOverRowsThatAreNoEventsWithTheReason() throws Exception {
    database.execute(
        "CREATE TABLE loose (id text, aggregatetype text, aggregateid text, type text, payload text)",
        "ALTER PUBLICATION outbox_publication ADD TABLE loose");
    SourceConfiguration source =
        Sources.of(database, "loose", Layout.DEBEZIUM, Map.of(), List.of());
    start(source, createSlot(source));
    database.execute("INSERT INTO loose VALUES ('e1', 'order', NULL, 'placed', 'x')");
    Captured.BadRow bad = (Captured.BadRow) readUntilEnds(1).get(0);
    assertThat(bad.row().id()).isEqualTo("e1");
    assertThat(bad.row().aggregateId()).isNull();
    assertThat(bad.row().payload()).isEqualTo(new byte[] {'x'});
    assertThat(bad.reason()).contains("column aggregateid is NULL");
  }

  /** An agent that was stopped in its first start, replaced, and wakes. */
  @Test
  void writesNoBacklogOnceAnotherAgentHasBegunALaterEpoch() throws Exception {
    SourceConfiguration source = standard();
    SourceRegistry registry = new SourceRegistry(source);
    database.execute(insertOf("old"));
    try (Connection connection = database.connect()) {
      registry.register(connection, "s");
      registry.beginEpoch(connection, "s", 1, "");
      registry.beginEpoch(connection, "s", 2, "");
      assertThatThrownBy(
              () ->
                  new FirstStart(source, new SourceConnections(source))
                      .createSlot("s", new SourceRegistry.Turn(1, 0), Optional.empty()))
          .isInstanceOf(AgentException.Retryable.class)
          .hasMessageContaining("another agent, or a reset, has begun epoch 2");
      assertThat(new Backlog(source).exists(connection, "s")).isFalse();
    }
  }
}
