package io.outboxinbox.agent.reconcile;

import static io.outboxinbox.agent.pipeline.TwoTables.ONE;
import static io.outboxinbox.agent.pipeline.TwoTables.idOf;
import static io.outboxinbox.agent.pipeline.TwoTables.insert;
import static io.outboxinbox.agent.pipeline.TwoTables.tableOf;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.outboxinbox.agent.operate.ReconcileRequest;
import io.outboxinbox.agent.operate.ReconcileRequest.OfTable;
import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.agent.pipeline.PipelineRig.Memory;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.agent.pipeline.TwoTables;
import io.outboxinbox.agent.source.table.Reconciliations.Phantom;
import io.outboxinbox.agent.source.table.Reconciliations.Report;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresServer;
import io.outboxinbox.testkit.PostgresStandby;
import io.outboxinbox.testkit.PostgresVersion;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Reconciliations of a source of two tables; also where one comes, goes, or shares ids. */
@ParameterizedClass
@EnumSource(Memory.class)
class SeveralTablesReconcileIT {
  private static final String RECONCILE = "onGap: reconcile";

  @Parameter Memory memory;

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private PipelineRig rig;
  private TwoTables tables;

  @BeforeEach
  void setUp() throws Exception {
    rig = new PipelineRig(postgres, kafka, memory);
    tables = new TwoTables(rig);
  }

  @AfterEach
  void tearDown() {
    rig.close();
  }

  private void stop(Pipeline pipeline) {
    assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
  }

  /** Publishes 60 events, of which the last 30 are above the bound, and stops. */
  private void publishSome() throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitLeading(pipeline);
    tables.insert(0, 30, true);
    rig.awaitEvents(30);
    rig.await(() -> rig.checkpoint().endedXid() > rig.xidOf(28));
    tables.insert(30, 60, true);
    rig.awaitEvents(60);
    stop(pipeline);
  }

  private void assertThatNumbersAre(int count) {
    rig.awaitEvents(count);
    assertThat(rig.numbersOf(rig.consume()))
        .containsExactlyInAnyOrderElementsOf(IntStream.range(0, count).boxed().toList());
  }

  private Report report() throws Exception {
    return FailoverIT.reports(rig).get(0);
  }

  private ReconcileRequest request() throws Exception {
    return new ReconcileRequest(rig.configuration(""), "operator");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "SELECT pg_drop_replication_slot('outbox_agent')",
        "SELECT pg_drop_replication_slot('outbox_agent');"
            + " SELECT pg_create_logical_replication_slot('outbox_agent', 'pgoutput')",
        "SELECT pg_replication_slot_advance('outbox_agent', pg_current_wal_lsn())",
      })
  void publishesWhatTheSlotWillNeverSendOfEachTable(String accident) throws Exception {
    publishSome();
    tables.insert(60, 90, true);
    rig.awaitSlotFree();
    rig.execute(accident);
    tables.insert(90, 100, false);
    rig.awaitLeading(rig.start(RECONCILE));
    tables.insert(100, 110, true);
    rig.awaitEvents(110);
    rig.assertThatEventsAreExactly(110);
    assertThat(report().rowsInTable()).isEqualTo(100);
    assertThat(report().candidates()).as("rows above the bound").isBetween(40L, 70L);
    assertThat(report().published()).isEqualTo(40);
    assertThat(report().possibleRepeats()).isNull();
    assertThat(rig.consume())
        .allMatch(
            record ->
                PipelineRig.header(record, "outbox_table")
                    .equals(tableOf(rig.numbersOf(List.of(record)).get(0))));
  }

  @Test
  void findsOneOfTwoRowsOfOneIdWhoseOtherIsNotPublished() throws Exception {
    publishSome();
    Pipeline pipeline = rig.start("");
    rig.awaitLeading(pipeline);
    rig.execute(insert("outbox_event", 60), insert("event", 61));
    rig.awaitEvents(62);
    stop(pipeline);
    rig.dropSlot();
    rig.execute(insert("event", 62, idOf(60)), insert("outbox_event", 63, idOf(61)));
    rig.awaitLeading(rig.start(RECONCILE));
    rig.awaitEvents(64);
    rig.assertThatEventsAreExactly(64);
  }

  /** Where nothing is known of the source, such as whether it had one table before. */
  @Test
  void takesMessagesWithoutATableForThoseOfAny() throws Exception {
    publishSome();
    tables.insert(60, 62, true);
    for (int number : List.of(60, 61)) {
      rig.send(rig.query("SELECT " + idOf(number) + "::text"), "/somebody", "as_before");
    }
    rig.forgetPosition();
    rig.awaitLeading(rig.start(RECONCILE));
    tables.insert(62, 64, true);
    rig.awaitEvents(64);
    rig.await(() -> report().state().equals("done"));
    assertThat(report().foundInTopics()).isEqualTo(62);
    assertThat(report().published()).isZero();
    assertThat(report().notes())
        .contains("2 events count as published by messages that do not name");
  }

  /** It shares its ids with what was published before, without a table in the message. */
  @Test
  void aTableNewToTheSourceWaitsForAnOperatorAndComesWhole() throws Exception {
    String both = rig.names;
    rig.names = ONE;
    Pipeline before = rig.start("");
    rig.awaitLeading(before);
    for (int number = 0; number < 20; number += 2) {
      rig.execute(insert("outbox_event", number), insert("event", number + 1, idOf(number)));
    }
    rig.awaitEvents(10);
    rig.await(() -> rig.checkpoint().endedXid() > rig.xidOf(18));
    stop(before);
    rig.names = both;
    Pipeline pipeline = rig.start(RECONCILE);
    rig.awaitState(pipeline, State.STOPPED);
    assertThat(pipeline.status().reason())
        .contains("table event is read from now on, and the last position does not cover it");
    assertThat(request().preview(null).tables())
        .containsExactly(
            new OfTable("outbox_event", 10, 0, true), new OfTable("event", 10, 10, false));
    request().ask(null);
    rig.awaitLeading(pipeline);
    tables.insert(20, 30, true);
    rig.awaitEvents(30);
    rig.assertThatEventsAreExactly(30);
    assertThat(report().published()).isEqualTo(10);
  }

  @Test
  void aTableTakenFromTheListWaitsForAnOperatorAndMayComeBack() throws Exception {
    String both = rig.names;
    publishSome();
    tables.insert(60, 70, true);
    rig.names = ONE;
    Pipeline pipeline = rig.start(RECONCILE);
    rig.awaitState(pipeline, State.STOPPED);
    assertThat(pipeline.status().reason())
        .contains("table event is covered by the last position and not read any more");
    request().ask(null);
    rig.awaitLeading(pipeline);
    rig.awaitEvents(65);
    stop(pipeline);
    rig.names = both;
    Pipeline again = rig.start(RECONCILE);
    rig.awaitState(again, State.STOPPED);
    request().ask(null);
    rig.awaitLeading(again);
    tables.insert(70, 80, true);
    assertThatNumbersAre(80);
    rig.assertThatEventsAreExactly(80);
  }

  /** One is discarded, one waits; rows of the table that stays have the same ids. */
  @Test
  void whatIsParkedOfATableThatWasGivenUpHidesNoRowOfTheOther() throws Exception {
    publishSome();
    Pipeline before = rig.start("");
    rig.awaitLeading(before);
    for (int number : List.of(61, 66)) {
      rig.execute(
          insert("event", number)
              .replace("payload)", "payload, topic)")
              .replace("')\n", "', 'no_such_topic')\n"));
    }
    rig.await(() -> rig.query("SELECT count(*) FROM outbox_parked").equals("2"));
    stop(before);
    rig.execute(
        "UPDATE outbox_parked SET state = 'discarded', settled_at = now() WHERE ordinal = 1",
        "INSERT INTO outbox_event (id, aggregate_type, aggregate_id, event_type, payload) SELECT"
            + " event_id::uuid, 'order', 'other key', 'placed', ('{\"n\":' || 59 + ordinal || '}')::json"
            + " FROM outbox_parked");
    rig.names = ONE;
    Pipeline pipeline = rig.start("");
    rig.awaitState(pipeline, State.STOPPED);
    request().ask(null);
    rig.awaitLeading(pipeline);
    assertThatNumbersAre(62);
    rig.execute("UPDATE outbox_parked SET requested = 'release' WHERE ordinal = 2");
    rig.await(
        () ->
            rig.query("SELECT reason FROM outbox_parked WHERE ordinal = 2")
                .contains("it is of table event, which is not configured"));
    rig.execute("UPDATE outbox_parked SET requested = 'discard' WHERE ordinal = 2");
    rig.await(
        () ->
            rig.query("SELECT count(*) FROM outbox_parked WHERE state = 'discarded'").equals("2"));
  }

  /** Both have published under ids they share; each has rows that are not published. */
  @Test
  void mergesASecondPipelineWithoutARepeat() throws Exception {
    String both = rig.names;
    rig.execute(
        "ALTER PUBLICATION outbox_publication DROP TABLE event",
        "CREATE PUBLICATION outbox_publication_event FOR TABLE event WITH (publish = 'insert')");
    rig.names = ONE;
    Pipeline first = rig.start("");
    rig.awaitLeading(first);
    rig.pipelineName = "second";
    String alone = "table: event\n      slot: outbox_agent_second";
    Pipeline begun = rig.start(alone);
    rig.awaitLeading(begun);
    stop(begun);
    rig.execute("ALTER PUBLICATION outbox_publication ADD TABLE event");
    Pipeline second = rig.start(alone);
    rig.awaitLeading(second);
    rig.pipelineName = "test";
    for (int number = 0; number < 20; number += 2) {
      rig.execute(insert("outbox_event", number), insert("event", number + 1, idOf(number)));
    }
    rig.awaitEvents(20);
    stop(first);
    stop(second);
    for (int number = 20; number < 30; number += 2) {
      rig.execute(insert("outbox_event", number), insert("event", number + 1, idOf(number)));
    }
    rig.names = both;
    Pipeline pipeline = rig.start("");
    rig.awaitState(pipeline, State.STOPPED);
    request().ask(null);
    rig.awaitLeading(pipeline);
    assertThatNumbersAre(30);
    rig.dropSlots("slot_name = 'outbox_agent_second'");
  }

  /** Each breaks one step; the next try, or the next agent, does all of it again. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "INSERT ON outbox_backlog",
        "DELETE ON outbox_backlog",
        "UPDATE OF possible_repeats ON outbox_reconciliation",
        "UPDATE OF reconcile_requested_at ON outbox_agent_source",
      })
  void goesOnAfterAFailureAtAnyStep(String step) throws Exception {
    publishSome();
    tables.insert(60, 90, true);
    rig.dropSlot();
    request().ask(null);
    rig.execute(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION"
            + " 'failed on purpose' USING ERRCODE = '55000'; END $$",
        "CREATE TRIGGER fail BEFORE " + step + " FOR EACH STATEMENT EXECUTE FUNCTION fail()");
    Pipeline broken = rig.start("");
    rig.await(() -> broken.status().reason().contains("failed on purpose"));
    tables.insert(90, 95, false);
    stop(broken);
    rig.execute("DROP FUNCTION fail CASCADE");
    rig.awaitLeading(rig.start(""));
    tables.insert(95, 100, true);
    rig.awaitEvents(100);
    rig.assertThatEventsAreExactly(100);
  }

  /** The list has names, and rows of a name are looked up in the table that has it. */
  @Test
  void tablesThatSwapNamesWhileTheirOlderRowsAreListedAreReconciled() throws Exception {
    tables.insert(0, 20, true);
    rig.execute(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION"
            + " 'failed on purpose' USING ERRCODE = '55000'; END $$",
        "CREATE TRIGGER fail BEFORE UPDATE OF broker ON outbox_agent_source FOR EACH STATEMENT"
            + " EXECUTE FUNCTION fail()");
    Pipeline pipeline = rig.start("");
    rig.await(() -> pipeline.status().reason().contains("failed on purpose"));
    stop(pipeline);
    rig.execute("DROP FUNCTION fail CASCADE");
    assertThat(rig.checkpoint().isBacklogDone()).isFalse();
    rig.execute(
        "ALTER TABLE event RENAME TO between",
        "ALTER TABLE outbox_event RENAME TO event",
        "ALTER TABLE between RENAME TO outbox_event");
    Pipeline renamed = rig.start(RECONCILE);
    rig.awaitLeading(renamed);
    assertThatNumbersAre(20);
    assertThat(report().cause()).contains("was renamed while rows older than the slot");
  }

  @Test
  void listsWhatOneTableHasLostThoughTheOtherHasTheId() throws Exception {
    assumeTrue(memory == Memory.BROKER, "position and events are lost together");
    try (PostgresServer primary = PostgresServer.start(PostgresVersion.V17);
        PipelineRig server = PipelineRig.on(primary, kafka)) {
      TwoTables two = new TwoTables(server);
      try (PostgresStandby standby =
          PostgresStandby.of(primary, PostgresStandby.Options.named("second"))) {
        Pipeline pipeline = server.start("");
        server.awaitLeading(pipeline);
        two.insert(0, 10, true);
        server.awaitEvents(10);
        standby.awaitReplayed();
        standby.disconnect();
        server.execute(insert("event", 10, idOf(0)), insert("event", 11));
        server.awaitEvents(12);
        String lost = server.query("SELECT " + idOf(11) + "::text");
        String shared = server.query("SELECT " + idOf(0) + "::text");
        stop(pipeline);
        primary.killPostmaster();
        standby.promote();
        server.moveTo(standby.server());
        server.awaitLeading(server.start(RECONCILE));
        server.await(() -> FailoverIT.reports(server).get(0).state().equals("done"));
        Report report = FailoverIT.reports(server).get(0);
        assertThat(new ReconcileRequest(server.configuration(""), "operator").phantoms(report, 100))
            .extracting(Phantom::eventId)
            .containsExactlyInAnyOrder(shared, lost);
        assertThat(server.consume()).hasSize(12);
      }
    }
  }
}
