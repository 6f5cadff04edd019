package io.outboxinbox.agent.source.table;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.Sources;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What stays of events that are parked under the id before and under the id after. */
class SourceMoveIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  private PostgresDatabase database;
  private String told = "";

  @BeforeEach
  void newDatabase() throws Exception {
    database = postgres.newDatabase("04_agent");
    database.execute("INSERT INTO outbox_agent_source (source) VALUES ('new')");
  }

  @Test
  void keepsOneOfAnEventThatIsParkedUnderBoth() throws Exception {
    park("old", 1, "a", "topic");
    park("old", 2, "b", "topic");
    park("new", 1, "b", "topic");
    park("new", 2, "c", "topic");
    park("new", 3, "a", "topic");
    move();
    assertThat(parked("event_id || ordinal")).containsExactly("a1", "b2", "c4");
    assertThat(told).contains("2 events were parked under both ids");
  }

  /** Ids need not be unique in tables of other layouts. */
  @Test
  void keepsEventsThatShareIdAndPayloadButNotAllThatIsPublished() throws Exception {
    for (String column :
        List.of(
            "aggregate_type", "aggregate_id", "event_type", "content_type", "headers", "topic")) {
      park("old", 1, "a", "topic");
      park("new", 1, "a", "topic");
      database.execute("UPDATE outbox_parked SET %s = 'x' WHERE source = 'new'".formatted(column));
      assertThatBothStay(column);
    }
    park("old", 1, "a", "topic");
    park("new", 1, "a", "topic");
    database.execute("UPDATE outbox_parked SET extra = '{\"x\": \"y\"}' WHERE source = 'new'");
    assertThatBothStay("extra");
    park("old", 1, "a", "topic");
    park("new", 1, "a", "topic");
    database.execute("UPDATE outbox_parked SET occurred_at = now() WHERE source = 'new'");
    assertThatBothStay("occurred_at");
  }

  private void assertThatBothStay(String column) throws SQLException {
    move();
    assertThat(parked("event_id || ordinal")).as(column).containsExactly("a1", "a2");
    assertThat(told).as(column).contains("1 event waits twice");
    database.execute("DELETE FROM outbox_parked");
  }

  /** The same event, as what it was before its correction says. */
  @Test
  void letsACorrectionWinUnderWhicheverIdItWasMade() throws Exception {
    park("old", 1, "a", "topic");
    park("old", 2, "b", "topic");
    park("old", 3, "c", "topic");
    park("new", 1, "a", "topic");
    park("new", 2, "b", "topic");
    park("new", 3, "d", "topic");
    edit("new", 1, "topic", "corrected");
    edit("new", 1, "topic", "corrected again");
    edit("old", 2, "headers", "{}");
    database.execute("UPDATE outbox_parked SET requested = 'release' WHERE topic LIKE 'corr%'");
    move();
    assertThat(parked("concat_ws(' ', event_id, topic, headers, requested)"))
        .as("each where the older one was, or the order of a key would change")
        .containsExactly("a corrected again release", "b topic {}", "c topic", "d topic");
    assertThat(
            database.list(
                "SELECT event_id || field FROM outbox_parked_edit JOIN outbox_parked"
                    + " USING (source, ordinal) ORDER BY ordinal"))
        .containsExactly("atopic", "atopic", "bheaders");
  }

  @Test
  void keepsWhatWasDecidedUnderBothOrIsNotSurelyTheSame() throws Exception {
    park("old", 1, "a", "topic");
    park("new", 1, "a", "topic");
    database.execute("UPDATE outbox_parked SET requested = 'release'");
    park("old", 2, "b", "topic");
    park("new", 2, "b", "other");
    edit("new", 2, "topic", "corrected");
    park("old", 3, null, "topic");
    park("new", 3, null, "topic");
    park("old", 4, null, "topic");
    move();
    assertThat(parked("concat(event_id, ' ', topic)"))
        .containsExactly(
            "a topic", "b topic", " topic", " topic", "a topic", "b corrected", " topic");
    assertThat(told).contains("2 events wait twice", "1 event without an id may wait twice");
    assertThat(database.list(query("twice, because"))).containsExactlyInAnyOrder("a", "b");
    assertThat(database.list(query("without an id"))).containsExactlyInAnyOrder("3", "4", "7");
  }

  /** Of what was purged the content is gone, so nobody can tell whether it is the same. */
  @Test
  void tellsOfAnEventThatWaitsAndWasSettledUnderTheOtherId() throws Exception {
    park("old", 1, "a", "topic");
    park("old", 2, "b", "topic");
    park("new", 1, "a", "topic");
    park("new", 2, "b", "topic");
    park("new", 3, "c", "topic");
    park("new", 4, "c", "topic");
    database.execute(
        "UPDATE outbox_parked SET state = 'discarded', settled_at = now(), payload = NULL,"
            + " key = NULL WHERE (source, event_id) IN (('old', 'a'), ('new', 'b'))");
    move();
    assertThat(parked("event_id || state"))
        .containsExactly(
            "adiscarded", "bwaiting", "awaiting", "bdiscarded", "cwaiting", "cwaiting");
    assertThat(told)
        .contains("2 events wait although each was settled under the other id")
        .doesNotContain("twice");
    assertThat(database.list(query("was settled"))).containsExactlyInAnyOrder("a", "b");
  }

  /** The query behind a sentence of what is told, which runs as it is. */
  private String query(String sentence) {
    String from = told.substring(told.indexOf(sentence));
    return from.substring(from.indexOf("SELECT")).split(";", 2)[0];
  }

  /** A search of the topics looks for messages under each id, and wherever they may have gone. */
  @Test
  void keepsEveryFormerIdAndTheLatestTimeATopicWasInUse() throws Exception {
    database.execute(
        """
        INSERT INTO outbox_agent_source (source, former_ids, topics) VALUES ('old', '{oldest}',
          '{"both": "2026-02-01T00:00:00Z", "again": null, "before": "2026-01-01T00:00:00Z"}')
        """,
        """
        UPDATE outbox_agent_source SET former_ids = '{other,oldest}',
          topics = '{"both": "2026-01-01T00:00:00Z", "again": "2026-01-02T00:00:00Z", "now": null}'
        WHERE source = 'new'
        """);
    move();
    try (Connection connection = database.connect()) {
      ReachedTopics.Reached reached = new ReachedTopics(Sources.standard()).find(connection, "new");
      assertThat(reached.formerIds()).containsExactlyInAnyOrder("oldest", "other", "old");
      assertThat(reached.since(null)).containsExactlyInAnyOrder("both", "again", "before", "now");
      assertThat(reached.since(Instant.parse("2026-01-31T00:00:00Z")))
          .containsExactlyInAnyOrder("both", "again", "now");
      assertThat(reached.since(Instant.parse("2026-02-02T00:00:00Z")))
          .containsExactlyInAnyOrder("again", "now");
    }
  }

  @Test
  void letsASettledEventWinOverOneThatWaits() throws Exception {
    park("old", 1, "a", "topic");
    park("old", 2, "b", "topic");
    park("new", 1, "a", "topic");
    park("new", 2, "b", "topic");
    database.execute(
        "UPDATE outbox_parked SET state = 'discarded', settled_at = now()"
            + " WHERE (source, event_id) IN (('old', 'a'), ('new', 'b'))");
    move();
    assertThat(parked("event_id || state")).containsExactly("adiscarded", "bdiscarded");
  }

  /** As many as there were: each stands for one row of the outbox. */
  @Test
  void pairsEventsThatAreAlikeOneByOne() throws Exception {
    park("old", 1, "a", "topic");
    park("old", 2, "a", "topic");
    park("old", 3, "a", "topic");
    park("new", 1, "a", "topic");
    park("new", 2, "a", "topic");
    move();
    assertThat(parked("event_id")).containsExactly("a", "a", "a");
  }

  @Test
  void numbersNothingAnewWhereThereIsRoom() throws Exception {
    park("old", 1, "a", "topic");
    park("new", 2, "b", "topic");
    database.execute(
        "INSERT INTO outbox_reconciliation (source, reconciliation, cause)"
            + " VALUES ('old', 1, 'why'), ('new', 2, 'why')");
    move();
    move();
    assertThat(parked("event_id || ordinal")).containsExactly("a1", "b2");
    assertThat(
            database.list("SELECT source || reconciliation FROM outbox_reconciliation ORDER BY 1"))
        .containsExactly("new1", "new2");
  }

  /** Its number would say that it was published, once the position's last one is higher. */
  @Test
  void countsABatchOnItsWayUnderTheNewIdAsNotPublishedOnce() throws Exception {
    park("new", 1, "a", "topic");
    database.execute("UPDATE outbox_parked SET release = 1, published_sequence = 1");
    move();
    assertThat(parked("coalesce(release, 0)")).containsExactly("0");
    database.execute("UPDATE outbox_parked SET release = 2, published_sequence = 2");
    move();
    assertThat(parked("coalesce(release, 0)"))
        .as("one of the lead that moved")
        .containsExactly("2");
  }

  @Test
  void tellsEventsOfTwoTablesApartThatShareAnId() throws Exception {
    SourceConfiguration source =
        Sources.withTables(
            Sources.standard(), Sources.table("outbox_event"), Sources.table("event"));
    park("old", 1, "a", "topic");
    park("old", 2, "a", "topic");
    park("new", 1, "a", "topic");
    assertThatThrownBy(() -> move(source))
        .isInstanceOf(AgentException.Misconfigured.class)
        .hasMessageContaining("3 parked events do not say which table they are of");
    database.execute(
        "UPDATE outbox_parked SET source_table = 'outbox_event' WHERE (source, ordinal) = ('old', 1)",
        "UPDATE outbox_parked SET source_table = 'event' WHERE source_table IS NULL");
    move(source);
    assertThat(parked("concat_ws(' ', event_id, source_table)"))
        .containsExactly("a outbox_event", "a event");
    assertThat(told).contains("1 event was parked under both ids").doesNotContain("twice");
  }

  private void move() throws SQLException {
    move(Sources.standard());
  }

  private void move(SourceConfiguration source) throws SQLException {
    try (Connection connection = database.connect()) {
      connection.setAutoCommit(false);
      told = new SourceMove(source, "old", "new").run(connection).orElse("");
      connection.commit();
    }
  }

  private void park(String source, int ordinal, String id, String topic) throws SQLException {
    database.execute(
        """
        INSERT INTO outbox_parked (source, ordinal, event_id, topic, payload, key, reason,
          is_behind, epoch, xid, lsn, committed_at)
        VALUES ('%s', %d, %s, '%s', '{}', 'key', 'r', false, 1, %d, '0/1', now())
        """
            .formatted(source, ordinal, id == null ? "NULL" : "'" + id + "'", topic, ordinal));
  }

  /** As the desk does it. */
  private void edit(String source, int ordinal, String field, String value) throws SQLException {
    String where = " WHERE source = '%s' AND ordinal = %d".formatted(source, ordinal);
    database.execute(
        """
        INSERT INTO outbox_parked_edit (source, ordinal, edited_by, reason, field, before)
        SELECT source, ordinal, 'operator', 'why', '%1$s', convert_to(%1$s, 'UTF8')
        FROM outbox_parked"""
                .formatted(field)
            + where,
        "UPDATE outbox_parked SET %s = '%s'".formatted(field, value) + where);
  }

  private List<String> parked(String column) throws SQLException {
    return database.list(
        "SELECT " + column + " FROM outbox_parked WHERE source = 'new' ORDER BY ordinal");
  }
}
