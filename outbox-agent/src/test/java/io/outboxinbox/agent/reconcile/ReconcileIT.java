package io.outboxinbox.agent.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.operate.ParkedDesk;
import io.outboxinbox.agent.operate.ReconcileRequest;
import io.outboxinbox.agent.operate.SourcePause;
import io.outboxinbox.agent.pipeline.ForeignTransaction;
import io.outboxinbox.agent.pipeline.ParkingRig;
import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.agent.pipeline.PipelineRig.Memory;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.agent.source.table.Reconciliations;
import io.outboxinbox.agent.source.table.Reconciliations.Report;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresServer;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Rows that are in no stream are published once, whatever took the stream away. */
@ParameterizedClass
@EnumSource(Memory.class)
class ReconcileIT {
  @Parameter Memory memory;

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

  /** Of a database that moved under another name, nothing tells that it was published. */
  @Test
  void searchesTheTopicsFirstAlsoWhereNothingIsKnownOfTheSource() throws Exception {
    publishSome();
    rig.forgetPosition();
    rig.dropSlot();
    rig.execute("DELETE FROM outbox_agent_source");
    rig.insert(60, 65);
    ReconcileRequest request = new ReconcileRequest(rig.configuration(""), "operator");
    request.ask("another");
    Pipeline pipeline = rig.start("");
    rig.awaitState(pipeline, State.MISCONFIGURED);
    assertThat(pipeline.status().reason()).contains("operator asked to go on from the position of");
    request.ask(null);
    rig.awaitLeading(pipeline);
    rig.insert(65, 70);
    rig.awaitEvents(70);
    assertThat(rig.numbersOf(rig.consume()))
        .containsExactlyInAnyOrderElementsOf(IntStream.range(0, 70).boxed().toList());
  }

  /** Publishes 60 events, of which the last 30 are above the bound, and stops. */
  private Checkpoint publishSome() throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitLeading(pipeline);
    rig.insert(0, 30);
    rig.awaitEvents(30);
    rig.await(() -> rig.checkpoint().endedXid() > rig.xidOf(29));
    rig.insert(30, 60);
    rig.awaitEvents(60);
    assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
    return rig.checkpoint();
  }

  /**
   * Publishes 60 events behind an open transaction, where nobody can see them yet.
   *
   * @return the source's id
   */
  private String publishUnseen() throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitLeading(pipeline);
    rig.insert(0, 60);
    rig.await(() -> rig.checkpoint().sequence() == 60);
    assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
    return rig.checkpoint().source().id();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "SELECT pg_drop_replication_slot('outbox_agent')",
        "SELECT pg_drop_replication_slot('outbox_agent');"
            + " SELECT pg_create_logical_replication_slot('outbox_agent', 'pgoutput')",
        "SELECT pg_replication_slot_advance('outbox_agent', pg_current_wal_lsn())",
      })
  void publishesWhatTheSlotWillNeverSendAndNothingElse(String accident) throws Exception {
    Checkpoint before = publishSome();
    rig.insert(60, 90);
    rig.awaitSlotFree();
    rig.execute(accident);
    rig.insert(90, 100);
    Pipeline pipeline = rig.start(RECONCILE);
    rig.awaitLeading(pipeline);
    rig.insert(100, 110);
    rig.awaitEvents(110);
    rig.assertThatEventsAreExactly(110);
    Checkpoint after = rig.checkpoint();
    assertThat(after.epoch())
        .as("consumers that count need not be asked")
        .isEqualTo(before.epoch());
    Report report = report();
    assertThat(report.state()).isEqualTo("done");
    assertThat(report.rowsInTable()).isEqualTo(100);
    assertThat(report.candidates()).as("rows above the bound").isBetween(40L, 70L);
    assertThat(report.foundInTopics()).isEqualTo(report.candidates() - 40);
    assertThat(report.published()).isEqualTo(40);
    assertThat(report.phantoms()).isZero();
    assertThat(report.possibleRepeats()).isNull();
    assertThat(reconciled()).hasSize(40).allMatch("1"::equals);
  }

  @Test
  void staysStoppedUntilAnOperatorAsksAndThenGoesOnWithoutARestartOfAgents() throws Exception {
    publishSome();
    rig.insert(60, 90);
    rig.dropSlot();
    Pipeline first = rig.start("");
    Pipeline second = rig.start("");
    rig.awaitState(first, State.STOPPED);
    rig.awaitState(second, State.STOPPED);
    assertThat(first.status().reason())
        .contains("does not exist, but events up to")
        .contains("outbox-agent.jar reconcile");
    ReconcileRequest request = new ReconcileRequest(rig.configuration(""), "operator");
    ReconcileRequest.Preview preview = request.preview(null);
    assertThat(preview.causes()).singleElement().asString().contains("does not exist");
    assertThat(preview.rowsInTable()).isEqualTo(90);
    assertThat(preview.candidates()).isBetween(30L, 60L);
    request.ask(null);
    rig.await(
        () -> first.status().state() == State.LEADING || second.status().state() == State.LEADING);
    rig.await(
        () -> first.status().state() == State.STANDBY || second.status().state() == State.STANDBY);
    rig.insert(90, 95);
    rig.awaitEvents(95);
    rig.assertThatEventsAreExactly(95);
    assertThat(report().requestedBy()).isEqualTo("operator");
  }

  /** It looks every two seconds only, and the other one may be done long before that. */
  @Test
  void staysStoppedNoLongerWhenAnotherAgentReconcilesAtOnce() throws Exception {
    publishSome();
    rig.insert(60, 90);
    rig.dropSlot();
    Pipeline stopped = rig.start("");
    rig.awaitState(stopped, State.STOPPED);
    Pipeline other = rig.start(RECONCILE);
    rig.awaitLeading(other);
    rig.await(() -> stopped.status().state() == State.STANDBY);
    rig.awaitEvents(90);
    rig.assertThatEventsAreExactly(90);
  }

  @Test
  void publishesRowsWrittenWhileTheTableWasOutsideThePublication() throws Exception {
    Pipeline pipeline = rig.start(RECONCILE);
    rig.awaitLeading(pipeline);
    rig.insert(0, 30);
    rig.awaitEvents(30);
    rig.execute(
        "ALTER PUBLICATION outbox_publication DROP TABLE outbox_event",
        "INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type, payload) SELECT"
            + " 'order', 'key-0', 'placed', ('{\"n\":' || n || '}')::json FROM"
            + " generate_series(30, 39) n",
        "SELECT pg_logical_emit_message(true, 'x', 'y')",
        "ALTER PUBLICATION outbox_publication ADD TABLE outbox_event");
    rig.awaitEvents(40);
    rig.awaitLeading(pipeline);
    rig.insert(40, 50);
    rig.awaitEvents(50);
    rig.assertThatEventsAreExactly(50);
    assertThat(report().cause()).contains("rows written in between are in no stream");
  }

  @Test
  void findsEverythingInTheTopicsWhenOnlyThePositionIsLost() throws Exception {
    Checkpoint before = publishSome();
    rig.insert(60, 70);
    rig.forgetPosition();
    Pipeline pipeline = rig.start(RECONCILE);
    rig.awaitLeading(pipeline);
    rig.awaitEvents(70);
    List<ConsumerRecord<String, byte[]>> records = rig.consume();
    assertThat(rig.numbersOf(records))
        .containsExactlyInAnyOrderElementsOf(IntStream.range(0, 70).boxed().toList());
    assertThat(rig.checkpoint().epoch()).isGreaterThan(before.epoch());
    assertThat(report().candidates()).isEqualTo(70);
    assertThat(report().foundInTopics()).isEqualTo(60);
  }

  @Test
  void publishesWhatWentWithTheLogOfAnInvalidatedSlot() throws Exception {
    PostgresServer.Options options =
        PostgresServer.Options.of(PostgresVersion.V17)
            .withSetting("max_slot_wal_keep_size", "1MB")
            .withSetting("min_wal_size", "32MB");
    try (PostgresServer server = PostgresServer.start(options);
        PipelineRig small = PipelineRig.on(server, kafka, memory)) {
      Pipeline pipeline = small.start("");
      small.awaitLeading(pipeline);
      small.insert(0, 20);
      small.awaitEvents(20);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      small.insert(20, 30);
      for (int segment = 0; segment < 6; segment++) {
        small.execute(
            "SELECT pg_logical_emit_message(false, 'fill', 'x')", "SELECT pg_switch_wal()");
      }
      small.execute("CHECKPOINT");
      Pipeline again = small.start(RECONCILE);
      small.awaitLeading(again);
      small.insert(30, 35);
      small.awaitEvents(35);
      small.assertThatEventsAreExactly(35);
    }
  }

  @Test
  void letsGoOfASlotWhoseLogHasUsedItsBudgetAndBringsItsEventsFromTheTable() throws Exception {
    publishSome();
    SourcePause pause = new SourcePause(rig.configuration(""));
    pause.pause("test", "as if the broker were away");
    Pipeline pipeline = rig.start(rig.wal("{budgetBytes: 32MiB, whenSpent: release}"));
    rig.awaitState(pipeline, State.PAUSED);
    rig.insert(60, 90);
    assertThat(rig.hasSlot()).as("nothing is spent yet").isTrue();
    for (int i = 0; i < 40; i++) {
      rig.execute("SELECT pg_logical_emit_message(false, 'fill', repeat('x', 1048576))");
    }
    rig.await(() -> !rig.hasSlot());
    rig.insert(90, 100);
    assertThat(pause.resume()).isTrue();
    rig.awaitLeading(pipeline);
    rig.insert(100, 110);
    rig.awaitEvents(110);
    rig.assertThatEventsAreExactly(110);
    assertThat(report().cause()).contains("does not exist");
    assertThat(report().published()).isEqualTo(40);
  }

  /** Of a topic that others share, what others wrote says nothing about us. */
  @Test
  void ignoresCopiesAndForeignMessages() throws Exception {
    publishSome();
    rig.insert(60, 62);
    String source = "/" + rig.configuration("").name();
    rig.send(rig.idOf(60), source, "outbox_replay_id");
    rig.dropSlot();
    Pipeline pipeline = rig.start(RECONCILE);
    rig.awaitLeading(pipeline);
    rig.awaitEvents(63);
    assertThat(report().published()).isEqualTo(2);
  }

  /** Whoever else may write to a topic must not be able to hide from us what we have published. */
  @Test
  void publishesNothingTwiceWhileSomebodyElsesTransactionIsOpenInTheTopic() throws Exception {
    Pipeline pipeline;
    try (ForeignTransaction open = ForeignTransaction.begin(kafka, rig.topic)) {
      assertThat(open).isNotNull();
      String source = publishUnseen();
      rig.forgetPosition();
      rig.insert(60, 70);
      pipeline = rig.start(RECONCILE);
      // Whether it waits behind the transaction or believes that there is nothing: it has looked.
      rig.await(
          () ->
              states(source).contains("publishing")
                  || states(source).contains("done")
                  || pipeline.status().reason().contains("candidates found"));
    }
    rig.awaitLeading(pipeline);
    rig.awaitEvents(70);
    assertThat(rig.numbersOf(rig.consume()))
        .containsExactlyInAnyOrderElementsOf(IntStream.range(0, 70).boxed().toList());
    assertThat(report().foundInTopics()).isEqualTo(60);
  }

  private List<String> states(String source) throws Exception {
    try (Connection connection = rig.database.connect()) {
      return reconciliations().list(connection, source).stream().map(Report::state).toList();
    }
  }

  @Test
  void leavesALostPositionToTheOperatorWhenTheBrokerIsNotTheOneItWasAt() throws Exception {
    publishSome();
    rig.forgetPosition();
    rig.execute("UPDATE outbox_agent_source SET broker = 'another'");
    Pipeline pipeline = rig.start(RECONCILE);
    rig.awaitState(pipeline, State.STOPPED);
    assertThat(pipeline.status().reason()).contains("point publish at the right ");
    new ReconcileRequest(rig.configuration(""), "operator").ask(null);
    rig.awaitLeading(pipeline);
    assertThat(rig.consume()).hasSize(60);
  }

  @Test
  void doesNotTouchEventsThatAreParked() throws Exception {
    publishSome();
    Pipeline before = rig.start("");
    rig.awaitLeading(before);
    try (ParkingRig parked = new ParkingRig(rig)) {
      parked.insert("waits", "key-a", rig.topic + "-nowhere", "{}");
      parked.insert("discarded", "key-b", rig.topic + "-nowhere", "{}");
      parked.awaitWaiting(2);
    }
    assertThat(before.stop(Duration.ofSeconds(20))).isTrue();
    rig.insert(60, 65);
    rig.dropSlot();
    rig.execute(
        "UPDATE outbox_parked SET state = 'discarded', settled_at = now()"
            + " WHERE event_type = 'discarded'",
        // Written anew, they are younger than anything the position proves.
        "UPDATE outbox_event SET event_type = event_type WHERE topic IS NOT NULL");
    Pipeline pipeline = rig.start(RECONCILE);
    rig.awaitLeading(pipeline);
    rig.awaitEvents(65);
    rig.assertThatEventsAreExactly(65);
    assertThat(report().alreadyParked()).isEqualTo(2);
    assertThat(report().published()).isEqualTo(5);
  }

  @Test
  void publishesNoDiscardedEventAfterAPurge() throws Exception {
    publishSome();
    Pipeline before = rig.start("");
    rig.awaitLeading(before);
    try (ParkingRig parked = new ParkingRig(rig)) {
      parked.insert("dropped", "key-a", rig.topic + "-nowhere", "{}");
      parked.insert("kept", "key-b", rig.topic + "-nowhere", "{}");
      parked.insert("last", "key-c", rig.topic + "-nowhere", "{}");
      parked.awaitWaiting(3);
      assertThat(before.stop(Duration.ofSeconds(20))).isTrue();
      rig.execute(
          "UPDATE outbox_parked SET state = 'discarded', settled_at = now() - interval '40 days'",
          "DELETE FROM outbox_event WHERE event_type IN ('dropped', 'last')");
      purge();
      assertThat(parked.rows("event_type", "true"))
          .as("one has its row in the outbox, the other is the last number")
          .containsExactly("kept", "last");
      assertThat(parked.rows("event_type", "payload IS NOT NULL OR key IS NOT NULL")).isEmpty();
      rig.insert(60, 65);
      rig.dropSlot();
      rig.execute("UPDATE outbox_event SET event_type = event_type WHERE topic IS NOT NULL");
      Pipeline pipeline = rig.start(RECONCILE);
      rig.awaitLeading(pipeline);
      rig.awaitEvents(65);
      rig.assertThatEventsAreExactly(65);
      assertThat(parked.rows("event_type", "state = 'waiting'")).isEmpty();
      rig.execute("DELETE FROM outbox_event WHERE event_type = 'kept'");
      purge();
      assertThat(parked.rows("event_type", "true"))
          .as("kept no longer than its row")
          .containsExactly("last");
    }
  }

  private void purge() throws Exception {
    try (ParkedDesk desk =
        ParkedDesk.open(
            rig.configuration("").source(),
            new ParkedDesk.Templates(rig.topic, "{aggregate_id}"),
            60)) {
      desk.purge(Duration.ofDays(30));
    }
  }

  @Test
  void reconcilesUnderALeaderThatIsWellWhenAsked() throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitLeading(pipeline);
    rig.insert(0, 30);
    rig.awaitEvents(30);
    new ReconcileRequest(rig.configuration(""), "operator").ask(null);
    rig.await(() -> report() != null && report().state().equals("done"));
    rig.awaitLeading(pipeline);
    rig.insert(30, 40);
    rig.awaitEvents(40);
    rig.assertThatEventsAreExactly(40);
    assertThat(report().cause()).isEqualTo("an operator asked for it");
  }

  @Test
  void refusesToGuessWhichRowsWereNeverToBePublished() throws Exception {
    rig.insert(0, 5);
    Pipeline pipeline = rig.start("existingRows: skip");
    rig.awaitLeading(pipeline);
    rig.insert(5, 6);
    rig.awaitEvents(1);
    assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
    rig.forgetPosition();
    Pipeline again =
        rig.start(
            """
            existingRows: skip
                  onGap: reconcile
            """);
    rig.awaitState(again, State.MISCONFIGURED);
    String refused = "rows that were never to be published";
    assertThat(again.status().reason()).contains(refused);
    ReconcileRequest.Preview preview =
        new ReconcileRequest(rig.configuration("existingRows: skip"), "operator").preview(null);
    assertThat(preview.refusal()).contains(refused);
    assertThat(preview.causes()).singleElement().asString().contains("has published before");
    assertThat(rig.consume()).hasSize(1);
  }

  /** Each breaks one step; the next try, or the next agent, does all of it again. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "INSERT ON outbox_reconciliation",
        "INSERT ON outbox_backlog",
        "DELETE ON outbox_backlog",
        "UPDATE OF possible_repeats ON outbox_reconciliation",
        "UPDATE OF published ON outbox_reconciliation",
        "UPDATE OF broker ON outbox_agent_source",
        "UPDATE OF reconcile_requested_at ON outbox_agent_source",
      })
  void goesOnAfterAFailureAtAnyStep(String step) throws Exception {
    publishSome();
    rig.insert(60, 90);
    rig.dropSlot();
    new ReconcileRequest(rig.configuration(""), "operator").ask(null);
    rig.execute(
        "UPDATE outbox_agent_source SET broker = NULL",
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION"
            + " 'failed on purpose' USING ERRCODE = '55000'; END $$",
        "CREATE TRIGGER fail BEFORE " + step + " FOR EACH STATEMENT EXECUTE FUNCTION fail()");
    Pipeline broken = rig.start("");
    rig.await(() -> broken.status().reason().contains("failed on purpose"));
    rig.insert(90, 95);
    assertThat(broken.stop(Duration.ofSeconds(20))).isTrue();
    rig.execute("DROP FUNCTION fail CASCADE");
    Pipeline pipeline = rig.start("");
    rig.awaitLeading(pipeline);
    rig.insert(95, 100);
    rig.awaitEvents(100);
    rig.assertThatEventsAreExactly(100);
    rig.await(() -> report().state().equals("done"));
    try (Connection connection = rig.database.connect()) {
      assertThat(reconciliations().request(connection, rig.checkpoint().source().id())).isEmpty();
    }
  }

  private Report report() throws Exception {
    try (Connection connection = rig.database.connect()) {
      return reconciliations().last(connection, rig.checkpoint().source().id()).orElse(null);
    }
  }

  private Reconciliations reconciliations() throws Exception {
    return new Reconciliations(rig.configuration("").source());
  }

  private List<String> reconciled() {
    return rig.consume().stream()
        .filter(record -> record.headers().lastHeader("outbox_reconciled") != null)
        .map(record -> PipelineRig.header(record, "outbox_reconciled"))
        .toList();
  }
}
