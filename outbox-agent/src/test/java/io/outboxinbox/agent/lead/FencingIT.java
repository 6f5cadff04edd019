package io.outboxinbox.agent.lead;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.pipeline.Holding;
import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.agent.pipeline.PipelineRig.Memory;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** What a replaced leader still sends, or still holds, neither harms nor stops its successor. */
@ParameterizedClass
@EnumSource(Memory.class)
class FencingIT {
  @Parameter Memory memory;

  private static final Duration WITHIN = Duration.ofSeconds(90);
  private static final String RECONCILE = "onGap: reconcile";

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private PipelineRig rig;

  @BeforeEach
  void setUp() throws Exception {
    rig = new PipelineRig(postgres, kafka, memory);
  }

  @AfterEach
  void tearDown() throws Exception {
    rig.close();
  }

  /**
   * The first leader is held between its last older row and the statement that empties the list of
   * them. Meanwhile another one leads, and writes a list of its own.
   */
  @Test
  void successorsBacklogOutlivesALateStatementOfTheLeaderBefore() throws Exception {
    rig.insert(0, 30);
    Holding first = new Holding(checkpoint -> checkpoint.isBacklogDone());
    Pipeline replaced = rig.start(first.in(rig.configuration("")));
    first.awaitReached();
    rig.dropSlot();
    rig.insert(30, 60);
    endLeadershipSession();
    Holding second = new Holding(c -> c.reconciliation() > 0 && c.backlogOrdinal() == 0);
    Pipeline successor = rig.start(second.in(rig.configuration(RECONCILE)));
    second.awaitReached();
    assertThat(rig.database.number("SELECT count(*) FROM outbox_backlog")).isEqualTo(30);
    first.release();
    await().atMost(WITHIN).until(() -> replaced.status().state() != State.STARTING);
    assertThat(rig.database.number("SELECT count(*) FROM outbox_backlog"))
        .as("rows the successor is to publish")
        .isEqualTo(30);
    second.release();
    await().atMost(WITHIN).until(() -> successor.status().state() == State.LEADING);
    rig.awaitEvents(60);
    rig.assertThatEventsAreExactly(60);
  }

  @Test
  void listOfOlderRowsThatEndsTooEarlyIsAGapAndNotDone() throws Exception {
    rig.insert(0, 30);
    Holding seeded = new Holding(checkpoint -> checkpoint.backlogOrdinal() == 0);
    Pipeline pipeline = rig.start(seeded.in(rig.configuration("")));
    seeded.awaitReached();
    rig.execute("DELETE FROM outbox_backlog WHERE ordinal > 10");
    seeded.release();
    await().atMost(WITHIN).until(() -> pipeline.status().state() != State.STARTING);
    rig.awaitState(pipeline, State.STOPPED);
    assertThat(pipeline.status().reason())
        .contains("end at number 10 of 30")
        .contains("outbox-agent.jar reconcile");
    assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
    rig.awaitLeading(rig.start(RECONCILE));
    rig.awaitEvents(30);
    assertThat(rig.numbersOf(rig.consume()))
        .containsExactlyInAnyOrderElementsOf(IntStream.range(0, 30).boxed().toList());
  }

  @Test
  void leadsAlthoughTheLeaderBeforeIsStuckInItsFirstStart() throws Exception {
    rig.insert(0, 30);
    try (Connection gate = blockFirstWriterOfTheBacklog()) {
      rig.start("");
      awaitStuckWriter();
      endLeadershipSession();
      rig.awaitLeading(rig.start(""));
      rig.insert(30, 40);
      rig.awaitEvents(40);
      rig.assertThatEventsAreExactly(40);
      assertThat(gate.isValid(5)).isTrue();
    }
  }

  @Test
  void leadsAlthoughTheLeaderBeforeIsStuckInItsReconciliation() throws Exception {
    Pipeline before = rig.start("");
    rig.awaitLeading(before);
    rig.insert(0, 30);
    rig.awaitEvents(30);
    assertThat(before.stop(Duration.ofSeconds(20))).isTrue();
    rig.dropSlot();
    rig.insert(30, 60);
    try (Connection gate = blockFirstWriterOfTheBacklog()) {
      rig.start(RECONCILE);
      awaitStuckWriter();
      endLeadershipSession();
      rig.awaitLeading(rig.start(RECONCILE));
      rig.insert(60, 70);
      rig.awaitEvents(70);
      rig.assertThatEventsAreExactly(70);
      assertThat(gate.isValid(5)).isTrue();
    }
  }

  /**
   * Whoever writes to the backlog first waits until the connection is closed; others do not. By
   * then it has deleted, and so locked, what an earlier reconciliation has left there.
   */
  private Connection blockFirstWriterOfTheBacklog() throws SQLException {
    rig.execute(
        """
        INSERT INTO outbox_backlog (source, ordinal, event_id)
        SELECT system_identifier || '/' || current_database() || '/outbox_publication', 1, 'old'
        FROM pg_control_system()
        """,
        "CREATE SEQUENCE writers",
        """
        CREATE FUNCTION wait_if_first() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
          SET lock_timeout = 0 AS $$
        BEGIN
          IF nextval('public.writers') = 1 THEN PERFORM pg_advisory_xact_lock_shared(77); END IF;
          RETURN NULL;
        END $$
        """,
        """
        CREATE TRIGGER wait_if_first BEFORE INSERT ON outbox_backlog
        FOR EACH STATEMENT EXECUTE FUNCTION wait_if_first()
        """);
    Connection gate = rig.database.connect();
    try (Statement statement = gate.createStatement()) {
      statement.execute("SELECT pg_advisory_lock(77)");
    }
    return gate;
  }

  private void awaitStuckWriter() {
    await()
        .atMost(WITHIN)
        .until(
            () ->
                rig.database.number(
                        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                            + " AND application_name = 'outbox-agent bootstrap'"
                            + " AND wait_event = 'advisory'")
                    == 1);
  }

  private void endLeadershipSession() throws SQLException {
    rig.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            + " WHERE datname = current_database()"
            + " AND application_name = 'outbox-agent leadership'");
  }
}
