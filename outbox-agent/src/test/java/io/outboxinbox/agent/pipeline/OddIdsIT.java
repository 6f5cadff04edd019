package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.capture.StoredRows;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Tables whose ids are missing, or several times the same. */
class OddIdsIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private PipelineRig rig;

  @BeforeEach
  void setUp() throws Exception {
    rig = new PipelineRig(postgres, kafka);
  }

  @AfterEach
  void tearDown() throws Exception {
    rig.close();
  }

  /** A copy of the table with an id as it may be, and the source block that reads it. */
  private String table(String alterId) throws Exception {
    rig.execute(
        "CREATE TABLE odd (LIKE outbox_event INCLUDING DEFAULTS)",
        "ALTER TABLE odd ALTER COLUMN id DROP DEFAULT",
        alterId,
        "GRANT SELECT ON odd TO outbox_agent",
        "ALTER PUBLICATION outbox_publication SET TABLE odd");
    return "table: odd\n      onGap: reconcile\n      ";
  }

  private void insert(String id, String key, int number) throws Exception {
    rig.execute(
        "INSERT INTO odd (id, aggregate_type, aggregate_id, event_type, payload)"
            + " VALUES (%s, 'order', '%s', 'placed', '{\"n\":%d}')".formatted(id, key, number));
  }

  @Test
  void reconcilesATableInWhichTwoRowsShareAnId() throws Exception {
    String source = table("SELECT 1");
    Pipeline first = rig.start(source);
    rig.awaitLeading(first);
    insert("'11111111-1111-4111-8111-111111111111'", "k", 0);
    insert("'11111111-1111-4111-8111-111111111111'", "k", 1);
    rig.awaitEvents(2);
    assertThat(first.stop(Duration.ofSeconds(40))).isTrue();
    rig.forgetPosition();
    rig.awaitLeading(rig.start(source));
    insert("gen_random_uuid()", "k", 2);
    rig.awaitEvents(3);
    assertThat(rig.numbersOf(rig.consume())).containsExactly(0, 1, 2);
  }

  /** Nothing is wrong with the slot: it alone has what was written since. */
  @Test
  void keepsTheSlotWhenAReconcileIsRefusedForARowWithoutId() throws Exception {
    String source =
        table("ALTER TABLE odd ALTER COLUMN id TYPE text USING '', ALTER COLUMN id DROP NOT NULL");
    Pipeline first = rig.start(source);
    rig.awaitLeading(first);
    insert("'a'", "a", 0);
    insert("NULL", "c", 1);
    rig.awaitEvents(1);
    assertThat(first.stop(Duration.ofSeconds(40))).isTrue();
    rig.forgetPosition();
    String before = slot();
    Pipeline refused = rig.start(source);
    rig.awaitState(refused, PipelineStatus.State.MISCONFIGURED);
    assertThat(refused.status().reason()).contains("1 rows of table").contains("have no \"id\"");
    rig.await(() -> refused.status().restarts() > 1);
    assertThat(slot()).as("the same slot").isEqualTo(before);
  }

  private String slot() throws Exception {
    try (Connection connection = rig.database.connect();
        Statement statement = connection.createStatement();
        ResultSet row =
            statement.executeQuery(
                "SELECT concat(confirmed_flush_lsn, ' ', catalog_xmin, ' ', restart_lsn)"
                    + " FROM pg_replication_slots WHERE database = current_database()")) {
      return row.next() ? row.getString(1) : "none";
    }
  }

  @Test
  void aReplayEndsInATableWithARowWithoutId() throws Exception {
    String source =
        table("ALTER TABLE odd ALTER COLUMN id TYPE text USING '', ALTER COLUMN id DROP NOT NULL");
    Pipeline first = rig.start(source);
    rig.awaitLeading(first);
    insert("'a'", "a", 0);
    insert("'b'", "a", 1);
    insert("NULL", "c", 2);
    rig.awaitEvents(2);
    StoredRows.Selection all = new StoredRows.Selection(null, null, List.of(), "order", null);
    Replay.Progress done =
        new Replay(rig.configuration(source))
            .run(new Replay.Order("again", all, null, 100_000, null), progress -> {});
    assertThat(done.rows()).isEqualTo(2);
  }
}
