package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.operate.ParkedDesk;
import io.outboxinbox.agent.operate.ReconcileRequest;
import io.outboxinbox.agent.replay.Replay;
import io.outboxinbox.agent.source.outbox.StoredRows;
import io.outboxinbox.agent.source.table.Reconciliations;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tables whose ids are missing, several times the same, or of types with more than one text. */
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

  private Reconciliations.Report report(String source) throws Exception {
    try (Connection connection = rig.database.connect()) {
      return new Reconciliations(rig.configuration(source).source())
          .last(connection, rig.checkpoint().source().id())
          .orElseThrow();
    }
  }

  private void insert(String id, String key, int number) throws Exception {
    insert(id, key, number, "", "");
  }

  private void insert(String id, String key, int number, String columns, String values)
      throws Exception {
    rig.execute(
        "INSERT INTO odd (id, aggregate_type, aggregate_id, event_type, payload%s)"
                .formatted(columns)
            + " VALUES (%s, 'order', '%s', 'placed', '{\"n\":%d}'%s)"
                .formatted(id, key, number, values));
  }

  /** Debezium cannot start beside one, whoever uses it. */
  @Test
  void namesADomainOverAnEnumAndStartsOnceTheEnumHasTakenItsPlace() throws Exception {
    rig.execute("CREATE TYPE e AS ENUM ('a', 'b')", "CREATE DOMAIN d AS e");
    Pipeline pipeline =
        rig.start(table("ALTER TABLE odd ALTER COLUMN id TYPE d USING id::text::d"));
    rig.awaitState(pipeline, PipelineStatus.State.MISCONFIGURED);
    String reason = pipeline.status().reason();
    assertThat(reason).contains("domain public.d is over public.e, an enum");
    rig.execute(reason.substring(reason.indexOf("fix: ") + "fix: ".length()));
    rig.awaitLeading(pipeline);
    insert("'a'", "k", 0);
    rig.awaitEvents(1);
  }

  /** It keeps only a start from reading. */
  @Test
  void goesOnWhileSomebodyMakesADomainOverAnEnum() throws Exception {
    Pipeline pipeline = rig.start(table("SELECT 1"));
    rig.awaitLeading(pipeline);
    rig.execute("CREATE TYPE e AS ENUM ('a', 'b')", "CREATE DOMAIN d AS e");
    await()
        .during(Duration.ofSeconds(6))
        .atMost(Duration.ofSeconds(60))
        .until(() -> pipeline.status().state() == PipelineStatus.State.LEADING);
    insert("gen_random_uuid()", "k", 0);
    rig.awaitEvents(1);
    assertThat(pipeline.status().restarts()).isZero();
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

  /** As text the server takes the blanks off the end of a char(n); the log has them. */
  @ParameterizedTest
  @CsvSource({
    "char(10), a b dropped waits last late",
    "fixed, a b dropped waits last late",
    "citext, a b dropped waits last late",
    "letter, a b dropped waits last late",
    "smallint, 1 2 -32768 3 4 32767",
    "integer, 1 2 -2147483648 3 4 2147483647",
    // As generators of ids with a time in them make them: 18 or 19 digits.
    "bigint, 1 2 1541815603606036480 254181560360603648 9223372036854775807 4",
    "bigint, 1 2 -9223372036854775808 -154181560360603648 4 5",
  })
  void knowsAnIdAgainWhateverItsType(String type, String ids) throws Exception {
    String[] id = ids.split(" ", 6);
    rig.execute(
        "CREATE EXTENSION citext",
        "CREATE DOMAIN fixed AS char(10)",
        "CREATE TYPE letter AS ENUM ('a', 'b', 'waits', 'dropped', 'last', 'late')");
    String source = table("ALTER TABLE odd ALTER COLUMN id TYPE %s USING NULL".formatted(type));
    Pipeline first = rig.start(source);
    rig.awaitLeading(first);
    insert(quoted(id[0]), "a", 0);
    insert(quoted(id[1]), "b", 1);
    insert(quoted(id[2]), "d", 3, ", topic", ", 'nowhere-" + rig.topic + "'");
    insert(quoted(id[3]), "c", 2, ", topic", ", 'nowhere-" + rig.topic + "'");
    // Of the last that is settled a purge keeps the number, whatever its id is.
    insert(quoted(id[4]), "f", 5, ", topic", ", 'nowhere-" + rig.topic + "'");
    try (ParkingRig parked = new ParkingRig(rig)) {
      parked.awaitWaiting(3);
      rig.awaitEvents(2);
      assertThat(first.stop(Duration.ofSeconds(40))).isTrue();
      rig.execute(
          "UPDATE outbox_parked SET state = 'discarded', settled_at = now() - interval '40 days'"
              + " WHERE event_id NOT LIKE '"
              + id[3]
              + "%'");
      try (ParkedDesk desk =
          ParkedDesk.open(
              rig.configuration(source).source(),
              new ParkedDesk.Templates(rig.topic, "{aggregate_id}"),
              60)) {
        desk.purge(Duration.ofDays(30));
      }
      assertThat(parked.rows("ordinal", "state = 'discarded'"))
          .as("their rows are there")
          .containsExactly("1", "3");
      rig.forgetPosition();
      insert(quoted(id[5]), "e", 4);
      rig.awaitLeading(rig.start(source));
      rig.awaitEvents(3);
      assertThat(rig.numbersOf(rig.consume())).containsExactlyInAnyOrder(0, 1, 4);
      assertThat(report(source).foundInTopics()).isEqualTo(2);
      assertThat(report(source).alreadyParked()).isEqualTo(3);
      assertThat(parked.rows("event_id", "state = 'waiting'")).hasSize(1);
    }
    StoredRows.Selection some =
        new StoredRows.Selection(null, null, List.of(id[0], id[3]), "order", null);
    Replay.Progress done =
        new Replay(rig.configuration(source))
            .run(new Replay.Order("again", null, some, null, 100_000, null), progress -> {});
    assertThat(done.rows()).isEqualTo(2);
    assertThat(done.parked()).isEqualTo(1);
  }

  private static String quoted(String id) {
    return "'" + id + "'";
  }

  /** Of a first start, and then of a reconcile: both read rows by ids that were written down. */
  @ParameterizedTest
  @CsvSource({"citext, A", "bpchar, 'a '", "text COLLATE no_case, A"})
  void publishesEachOfTwoIdsOnceThatAreEqualButNotTheSameText(String type, String other)
      throws Exception {
    rig.execute(
        "CREATE EXTENSION citext",
        "CREATE COLLATION no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)");
    String source = table("ALTER TABLE odd ALTER COLUMN id TYPE %s USING NULL".formatted(type));
    insert("'a'", "k", 0);
    insert(quoted(other), "k", 1);
    Pipeline first = rig.start(source);
    rig.awaitLeading(first);
    insert("'b'", "k", 2);
    rig.awaitEvents(3);
    assertThat(first.stop(Duration.ofSeconds(40))).isTrue();
    rig.forgetPosition();
    insert("'c'", "k", 3);
    insert("'C'", "k", 4);
    rig.awaitLeading(rig.start(source));
    rig.awaitEvents(5);
    insert("'d'", "k", 5);
    rig.awaitEvents(6);
    assertThat(rig.numbersOf(rig.consume())).containsExactly(0, 1, 2, 3, 4, 5);
    assertThat(report(source).foundInTopics()).isEqualTo(3);
  }

  /** Where the search begins must not be told by a clock that is ahead. */
  @Test
  void publishesNothingAgainThatTellsATimeToCome() throws Exception {
    String source = table("ALTER TABLE odd ALTER COLUMN id TYPE text USING ''");
    Pipeline first = rig.start(source);
    rig.awaitLeading(first);
    insert("'a'", "k", 0, ", occurred_at", ", now() + interval '3 days'");
    rig.awaitEvents(1);
    assertThat(first.stop(Duration.ofSeconds(40))).isTrue();
    rig.forgetPosition();
    insert("'b'", "k", 1, ", occurred_at", ", now() + interval '3 days'");
    rig.awaitLeading(rig.start(source));
    rig.awaitEvents(2);
    assertThat(rig.numbersOf(rig.consume())).containsExactly(0, 1);
    assertThat(report(source).possibleRepeats()).isNull();
  }

  /** What a clock that was ahead wrote some days ago looks like a time gone by. */
  @Test
  void saysThatRepeatsArePossibleWhereOnlyClocksOfApplicationsTellWhereToBegin() throws Exception {
    String source = table("ALTER TABLE odd ALTER COLUMN id TYPE text USING ''");
    Pipeline first = rig.start(source);
    rig.awaitLeading(first);
    assertThat(first.stop(Duration.ofSeconds(40))).isTrue();
    insert("'a'", "k", 0, ", occurred_at", ", now() - interval '2 hours'");
    rig.send("a", "/test", "ce_sourceid", Instant.now().minus(Duration.ofHours(10)));
    rig.forgetPosition();
    rig.awaitLeading(rig.start(source));
    rig.awaitEvents(2);
    assertThat(report(source).possibleRepeats())
        .contains("messages from before", "1 events have ids that tell no time", "occurred_at");
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
    assertThat(new ReconcileRequest(rig.configuration(source), "me").preview(null).refusal())
        .contains("1 rows of table", "have no \"id\"");
  }

  private String slot() throws Exception {
    return rig.query(
        "SELECT coalesce(max(concat(confirmed_flush_lsn, ' ', catalog_xmin, ' ', restart_lsn)), 'none')"
            + " FROM pg_replication_slots WHERE database = current_database()");
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
            .run(new Replay.Order("again", null, all, null, 100_000, null), progress -> {});
    assertThat(done.rows()).isEqualTo(2);
  }
}
