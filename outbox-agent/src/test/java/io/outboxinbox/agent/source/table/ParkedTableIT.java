package io.outboxinbox.agent.source.table;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.RawRow;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.Sources;
import io.outboxinbox.agent.source.table.ParkedTable.TopicTemplates;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.Statement;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a new leader does to a table with very many rows. */
class ParkedTableIT {
  private static final int EVENTS = 12_000;

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  /** One statement for millions of rows would not end within the time an answer may take. */
  @Test
  void joinsLinesInPortions() throws Exception {
    PostgresDatabase database = postgres.newDatabase("04_agent");
    database.execute(
        """
        INSERT INTO outbox_parked (source, ordinal, key, destination, destination_rule, reason,
          is_behind, epoch, xid, lsn, committed_at)
        SELECT 's', n, n %% 7, 'orders', 'before', 'r', false, 1, 1, '0/1', now()
        FROM generate_series(1, %d) n
        """
            .formatted(EVENTS),
        """
        INSERT INTO outbox_parked (source, ordinal, key, destination, destination_rule, reason,
          is_behind, epoch, xid, lsn, committed_at)
        VALUES ('s', 50000, 'fine', 'orders', 'now', 'r', false, 1, 1, '0/1', now())
        """,
        "CREATE TABLE portion (n bigint)",
        """
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
          'BEGIN INSERT INTO portion SELECT count(*) FROM joined; RETURN NULL; END'
        """,
        """
        CREATE TRIGGER note AFTER UPDATE ON outbox_parked REFERENCING NEW TABLE AS joined
          FOR EACH STATEMENT EXECUTE FUNCTION note()
        """);
    try (Connection leader = database.connect();
        Statement statement = leader.createStatement()) {
      new ParkedTable("public", "s")
          .joinLanes(leader, new TopicTemplates(Map.of("outbox_event", "now")));
      try (ResultSet row =
          statement.executeQuery(
              "SELECT (SELECT max(n) || ' of ' || sum(n) FROM portion),"
                  + " (SELECT string_agg(key, ',') FROM outbox_parked"
                  + " WHERE destination IS NOT NULL)")) {
        row.next();
        assertThat(row.getString(1)).isEqualTo("5000 of " + EVENTS);
        assertThat(row.getString(2)).isEqualTo("fine");
      }
    }
  }

  @Test
  void writesAndGivesBackTheTable() throws Exception {
    PostgresDatabase database = postgres.newDatabase("04_agent");
    TopicTemplates templates = new TopicTemplates(Map.of("outbox_event", "o", "event", "e"));
    try (Connection leader = database.connect()) {
      new ParkedTable("public", "s")
          .insert(
              leader,
              new ParkedTable.Portion(
                  List.of(parked("event", "1"), parked("outbox_event", "1")), 1, 0),
              templates);
      database.execute("UPDATE outbox_parked SET requested = 'release'");
      assertThat(new ParkedQueue("public", "s", leader, leader).take(List.of(1L, 2L), 1, 0))
          .extracting(taken -> taken.row().table() + taken.row().id())
          .containsExactly("event1", "outbox_event1");
    }
    assertThat(database.list("SELECT destination_rule FROM outbox_parked ORDER BY ordinal"))
        .containsExactly("e", "o");
  }

  private static ParkedEvent parked(String table, String id) {
    RawRow row =
        new RawRow(table, id, "order", "k", "placed", null, null, null, null, null, Map.of());
    return new ParkedEvent(
        row, "k", "orders", "r", false, SourcePosition.atCommit(1), Instant.EPOCH);
  }

  /** Of one key and topic; only what its own table routes otherwise now has to join. */
  @Test
  void joinsLanesByTheRuleOfEachTable() throws Exception {
    PostgresDatabase database = postgres.newDatabase("04_agent");
    database.execute(
        """
        INSERT INTO outbox_parked (source, ordinal, key, destination, destination_rule,
          source_table, reason, is_behind, epoch, xid, lsn, committed_at)
        SELECT 's', n, key, 'orders', rule, of_table, 'r', false, 1, 1, '0/1', now()
        FROM (VALUES (1, 'fine', 'o', 'outbox_event'), (2, 'fine', 'e', 'event'),
                     (3, 'other rule', 'o', 'event'), (4, 'other rule', 'o', 'outbox_event'),
                     (5, 'not configured', 'o', 'gone'), (6, 'not noted', 'o', NULL))
          AS parked (n, key, rule, of_table)
        """);
    try (Connection leader = database.connect()) {
      new ParkedTable("public", "s")
          .joinLanes(leader, new TopicTemplates(Map.of("outbox_event", "o", "event", "e")));
    }
    assertThat(
            database.list("SELECT DISTINCT key FROM outbox_parked WHERE destination IS NOT NULL"))
        .containsExactly("fine");
  }

  /** A parked event of the other table says nothing of this one; one of no table may be of it. */
  @Test
  void tellsWhichIdsAreParkedOfATable() throws Exception {
    PostgresDatabase database = postgres.newDatabase("04_agent");
    database.execute(
        "CREATE TABLE event ()",
        """
        INSERT INTO outbox_parked (source, ordinal, event_id, source_table, reason, is_behind,
          epoch, xid, lsn, committed_at)
        SELECT 's', n, id, of_table, 'r', false, 1, 1, '0/1', now()
        FROM (VALUES (1, 'a', 'event'), (2, 'b', 'outbox_event'), (3, 'c', NULL),
                     (4, 'd', 'name of before')) AS parked (n, id, of_table)
        """);
    try (Connection connection = database.connect()) {
      SourceConfiguration source = Sources.standard();
      List<String> ids = List.of("a", "b", "c", "d");
      assertThat(ParkedIds.among(connection, source.outboxes().get(0), ids))
          .containsOnlyKeys("b", "c", "d");
      SourceConfiguration other = Sources.withTables(source, Sources.table("event"));
      assertThat(ParkedIds.among(connection, other.outboxes().get(0), ids))
          .as("table outbox_event is not there")
          .containsOnlyKeys(ids);
    }
  }
}
