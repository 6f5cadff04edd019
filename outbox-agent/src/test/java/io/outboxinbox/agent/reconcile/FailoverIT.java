package io.outboxinbox.agent.reconcile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.operate.ParkedDesk;
import io.outboxinbox.agent.operate.PositionCheck;
import io.outboxinbox.agent.operate.ReconcileRequest;
import io.outboxinbox.agent.operate.SourcePause;
import io.outboxinbox.agent.pipeline.ParkingRig;
import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.agent.pipeline.PipelineRig.Memory;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.agent.source.inspect.SourcePreflight;
import io.outboxinbox.agent.source.table.Reconciliations;
import io.outboxinbox.agent.source.table.Reconciliations.Phantom;
import io.outboxinbox.agent.source.table.Reconciliations.Report;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresServer;
import io.outboxinbox.testkit.PostgresStandby;
import io.outboxinbox.testkit.PostgresVersion;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A standby is promoted: with the slot, without it, and without the last moments. */
@ParameterizedClass
@EnumSource(Memory.class)
public class FailoverIT {
  @Parameter Memory memory;

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  @ParameterizedTest
  @EnumSource(names = {"V17", "V18"})
  void goesOnWithoutALookAtTheTableWhenTheSlotWasCopied(PostgresVersion version) throws Exception {
    assumeOneServerOfEachMemory(version);
    try (PostgresServer primary = primaryOfSecond(version);
        PipelineRig rig = PipelineRig.on(primary, kafka, memory);
        PostgresStandby standby = second(primary)) {
      Pipeline pipeline = rig.start("");
      rig.awaitLeading(pipeline);
      rig.insert(0, 50);
      rig.awaitEvents(50);
      standby.awaitSlot(PipelineRig.SLOT);
      rig.insert(50, 60);
      rig.awaitEvents(60);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      rig.insert(60, 70);
      standby.awaitReplayed();
      promote(standby, primary, rig);
      Pipeline after = rig.start("");
      rig.awaitLeading(after);
      rig.insert(70, 80);
      rig.awaitEvents(80);
      rig.assertThatEventsAreExactly(80);
      assertThat(reports(rig)).isEmpty();
      rig.await(() -> rig.checkpoint().timeline() == 2);
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void publishesWhatIsMissingOnAServerThatNeverHadTheSlot(PostgresVersion version)
      throws Exception {
    assumeOneServerOfEachMemory(version);
    try (PostgresServer primary = PostgresServer.start(version);
        PipelineRig rig = PipelineRig.on(primary, kafka, memory);
        PostgresStandby standby =
            PostgresStandby.of(primary, PostgresStandby.Options.named("second"))) {
      Pipeline pipeline = rig.start("");
      rig.awaitLeading(pipeline);
      rig.insert(0, 30);
      rig.awaitEvents(30);
      rig.await(() -> rig.checkpoint().endedXid() > rig.xidOf(29));
      rig.insert(30, 60);
      rig.awaitEvents(60);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      Checkpoint before = rig.checkpoint();
      rig.insert(60, 70);
      standby.awaitReplayed();
      promote(standby, primary, rig);
      rig.insert(70, 75);
      Pipeline after = rig.start("onGap: reconcile");
      rig.awaitLeading(after);
      rig.insert(75, 80);
      rig.awaitEvents(80);
      rig.assertThatEventsAreExactly(80);
      Report report = reports(rig).get(0);
      assertThat(report.candidates()).as("the bound holds").isLessThan(75);
      assertThat(report.published()).isEqualTo(15);
      assertThat(report.phantoms()).isZero();
      assertThatEpochFits(rig, before);
    }
  }

  /** What a promotion may have taken back with the position, its numbers, are not given again. */
  private void assertThatEpochFits(PipelineRig rig, Checkpoint before) throws Exception {
    if (memory == Memory.BROKER) {
      assertThat(rig.checkpoint().epoch()).isEqualTo(before.epoch());
    } else {
      assertThat(rig.checkpoint().epoch()).isGreaterThan(before.epoch());
    }
  }

  @Test
  void listsExactlyWhatConsumersHaveAndThePromotedServerHasNot() throws Exception {
    try (PostgresServer primary = PostgresServer.start(PostgresVersion.V17);
        PipelineRig rig = PipelineRig.on(primary, kafka, memory);
        PostgresStandby standby =
            PostgresStandby.of(primary, PostgresStandby.Options.named("second"))) {
      Pipeline pipeline = rig.start("");
      rig.awaitLeading(pipeline);
      rig.insert(0, 40);
      rig.awaitEvents(40);
      standby.awaitReplayed();
      standby.disconnect();
      rig.insert(40, 55);
      rig.awaitEvents(55);
      List<String> lost =
          rig.consume().stream()
              .filter(record -> number(record) >= 40)
              .map(record -> PipelineRig.header(record, "ce_id"))
              .toList();
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      promote(standby, primary, rig);
      rig.insert(100, 110);
      Pipeline stopped = rig.start("");
      rig.awaitState(stopped, State.STOPPED);
      if (memory == Memory.BROKER) {
        assertThat(stopped.status().reason())
            .contains("the server is on timeline 2, whose history leaves timeline 1 at");
      }
      new ReconcileRequest(rig.configuration(""), "operator").ask(null);
      rig.awaitLeading(stopped);
      rig.insert(110, 115);
      rig.awaitEvents(70);
      assertThat(rig.numbersOf(rig.consume()))
          .containsExactlyInAnyOrderElementsOf(
              IntStream.concat(IntStream.range(0, 55), IntStream.range(100, 115)).boxed().toList());
      if (memory == Memory.DATABASE) {
        // Position and events were lost together, so nobody knows that there were any.
        return;
      }
      Report report = reports(rig).get(0);
      assertThat(report.phantoms()).isEqualTo(15);
      assertThat(new ReconcileRequest(rig.configuration(""), "operator").phantoms(report, 100))
          .extracting(Phantom::eventId)
          .containsExactlyInAnyOrderElementsOf(lost);
      assertThat(report.candidates()).as("the bound is worth nothing").isEqualTo(50);
    }
  }

  /** A parked event is written after its row, so a promotion can keep the one without the other. */
  @Test
  void parksAgainWhatThePromotedServerHasInItsOutboxAlone() throws Exception {
    try (PostgresServer primary = primaryOfSecond(PostgresVersion.V17);
        PipelineRig rig = PipelineRig.on(primary, kafka, memory);
        ParkingRig parked = new ParkingRig(rig);
        PostgresStandby standby = second(primary)) {
      Pipeline pipeline = rig.start("");
      rig.awaitLeading(pipeline);
      standby.awaitSlot(PipelineRig.SLOT);
      parked.insert("unroutable", "key-a", rig.topic + "-nowhere", "{}");
      parked.awaitWaiting(1);
      rig.insert(0, 10);
      rig.awaitEvents(10);
      rig.await(() -> rig.checkpoint().endedXid() > rig.xidOf(9));
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      standby.awaitReplayed();
      promote(standby, primary, rig);
      rig.execute("DELETE FROM outbox_parked");
      Pipeline stopped = rig.start("");
      rig.awaitState(stopped, State.STOPPED);
      assertThat(stopped.status().reason()).contains("covers 1 parked events");
      assertThat(PositionCheck.run(rig.configuration("")))
          .as("a check says what the start said")
          .anyMatch(
              finding ->
                  finding.severity() == Finding.Severity.GAP
                      && finding.what().contains("covers 1 parked events"));
      ReconcileRequest request = new ReconcileRequest(rig.configuration(""), "operator");
      ReconcileRequest.Preview preview = request.preview(null);
      request.ask(null);
      rig.awaitLeading(stopped);
      assertThat(preview.causes()).singleElement().asString().contains("covers 1 parked events");
      assertThat(preview.candidates())
          .as("what the reconciliation then found")
          .isEqualTo(reports(rig).get(0).candidates())
          .isEqualTo(11);
      try (ParkingRig promoted = new ParkingRig(rig)) {
        promoted.awaitWaiting(1);
      }
      rig.assertThatEventsAreExactly(10);
    }
  }

  /**
   * The position covers a number whose event nobody needs any more: that is no loss.
   *
   * @param isHigherLeft whether an agent that ended before its position was durable has left an
   *     event that the next one takes back
   */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void takesNoPurgedEventForALostOneAfterAPromotion(boolean isHigherLeft) throws Exception {
    try (PostgresServer primary = primaryOfSecond(PostgresVersion.V17);
        PipelineRig rig = PipelineRig.on(primary, kafka, memory);
        ParkingRig parked = new ParkingRig(rig);
        PostgresStandby standby = second(primary)) {
      Pipeline pipeline = rig.start("");
      rig.awaitLeading(pipeline);
      standby.awaitSlot(PipelineRig.SLOT);
      for (String type : List.of("first", "second")) {
        parked.insert(type, "key-a", rig.topic + "-nowhere", "{\"a\": \"secret\"}");
      }
      parked.awaitWaiting(2);
      rig.execute("UPDATE outbox_parked SET topic = NULL, requested = 'release'");
      parked.awaitPublished("first", "second");
      parked.awaitWaiting(0);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      if (isHigherLeft) {
        parked.copyAsWaiting(2, 3);
      }
      try (ParkedDesk desk =
          ParkedDesk.open(
              rig.configuration("").source(),
              new ParkedDesk.Templates(rig.topic, "{aggregate_id}"),
              60)) {
        assertThat(desk.purge(Duration.ZERO)).isEqualTo(2);
        assertThat(desk.purge(Duration.ZERO)).as("of the last nothing is left to purge").isZero();
      }
      assertThat(parked.rows("concat(ordinal, state, key, payload, headers)", "ordinal < 3"))
          .as("the number, and nothing of the event")
          .containsExactly("2released");
      if (isHigherLeft) {
        Pipeline next = rig.start("");
        rig.awaitLeading(next);
        parked.awaitWaiting(0);
        assertThat(next.stop(Duration.ofSeconds(20))).isTrue();
      }
      standby.awaitReplayed();
      promote(standby, primary, rig);
      Pipeline after = rig.start("");
      rig.awaitLeading(after);
      assertThat(reports(rig)).isEmpty();
      rig.await(() -> rig.checkpoint().timeline() == 2);
    }
  }

  @Test
  void publishesWhatTheRestoredServerHasAndTheTopicsHaveNot() throws Exception {
    try (PostgresServer primary = PostgresServer.start(PostgresVersion.V17);
        PipelineRig rig = PipelineRig.on(primary, kafka, memory)) {
      Pipeline pipeline = rig.start("");
      rig.awaitLeading(pipeline);
      rig.insert(0, 20);
      rig.awaitEvents(20);
      // A copy that was cut off and is promoted at once is a restored backup.
      try (PostgresStandby backup =
          PostgresStandby.of(primary, PostgresStandby.Options.named("backup"))) {
        backup.awaitReplayed();
        backup.disconnect();
        rig.insert(20, 30);
        rig.awaitEvents(30);
        assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
        primary.stop();
        backup.promote();
        rig.moveTo(backup.server());
        rig.insert(30, 35);
        Pipeline restored = rig.start("onGap: reconcile");
        rig.awaitLeading(restored);
        rig.awaitEvents(35);
        assertThat(rig.numbersOf(rig.consume()))
            .containsExactlyInAnyOrderElementsOf(IntStream.range(0, 35).boxed().toList());
        if (memory == Memory.BROKER) {
          assertThat(reports(rig).get(0).phantoms()).isEqualTo(10);
        }
      }
    }
  }

  @Test
  void goesOnInARebuiltClusterOnlyOnceItsOldOneIsNamed() throws Exception {
    assumeTrue(memory == Memory.BROKER, "the outbox alone is copied, and no position with it");
    try (PostgresServer old = PostgresServer.start(PostgresVersion.V17);
        PostgresServer rebuilt = PostgresServer.start(PostgresVersion.V18);
        PipelineRig rig = PipelineRig.on(old, kafka, memory)) {
      Pipeline pipeline = rig.start("");
      rig.awaitLeading(pipeline);
      rig.insert(0, 20);
      rig.awaitEvents(20);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      Checkpoint before = rig.checkpoint();
      String copies =
          "INSERT INTO outbox_event (id, aggregate_type, aggregate_id, event_type, payload) VALUES"
              + " ('%s', 'order', 'key', 'placed', '{\"n\":19}')";
      String copy = copies.formatted(rig.idOf(19));
      try (Connection connection = rebuilt.connect("postgres");
          Statement statement = connection.createStatement()) {
        statement.execute("CREATE DATABASE " + rig.database.name());
      }
      rig.moveTo(rebuilt);
      try (PipelineRig schema = new PipelineRig(rig.database, kafka, memory)) {
        schema.execute(copy);
      }
      rig.insert(20, 25);
      Pipeline stopped = rig.start("onGap: reconcile");
      rig.awaitState(stopped, State.STOPPED);
      String oldId = before.source().systemId();
      assertThat(stopped.status().reason()).contains("--accept-cluster " + oldId);
      new ReconcileRequest(rig.configuration(""), "operator").ask("another");
      rig.await(() -> stopped.status().restarts() > 0);
      rig.awaitState(stopped, State.STOPPED);
      new ReconcileRequest(rig.configuration(""), "operator").ask(oldId);
      rig.awaitLeading(stopped);
      rig.insert(25, 30);
      rig.awaitEvents(30);
      rig.assertThatEventsAreExactly(30);
      Checkpoint after = rig.checkpoint();
      assertThat(after.source().systemId()).as("the old position is gone").isNotEqualTo(oldId);
      assertThat(after.epoch()).isEqualTo(before.epoch());
    }
  }

  /** Everything the tables know of a source is kept under an id that a rebuilt cluster changes. */
  @Test
  void keepsInARebuiltClusterWhatIsParkedDiscardedPausedAndReported() throws Exception {
    try (PostgresServer old = PostgresServer.start(PostgresVersion.V17);
        PostgresServer rebuilt = PostgresServer.start(PostgresVersion.V18);
        PipelineRig rig = PipelineRig.on(old, kafka, memory)) {
      Pipeline pipeline = rig.start("");
      rig.awaitLeading(pipeline);
      rig.insert(0, 20);
      rig.awaitEvents(20);
      new ReconcileRequest(rig.configuration(""), "operator").ask(null);
      rig.await(() -> !reports(rig).isEmpty() && reports(rig).get(0).state().equals("done"));
      try (ParkingRig parked = new ParkingRig(rig)) {
        parked.insert("waits", "key-a", rig.topic + "-nowhere", "{}");
        parked.insert("discarded", "key-b", rig.topic + "-nowhere", "{}");
        parked.awaitWaiting(2);
      }
      SourcePause pause = new SourcePause(rig.configuration(""));
      pause.pause("test", "while the database moves");
      rig.awaitState(pipeline, State.PAUSED);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      rig.execute(
          "UPDATE outbox_parked SET state = 'discarded', settled_at = now()"
              + " WHERE event_type = 'discarded'");
      String oldId = rig.checkpoint().source().systemId();
      moveByCopy(rig, rebuilt, kafka);
      rig.insert(20, 25);
      Pipeline moved = rig.start("");
      rig.awaitState(moved, State.STOPPED);
      new ReconcileRequest(rig.configuration(""), "operator").ask(oldId);
      rig.awaitState(moved, State.PAUSED);
      assertThat(rig.consume()).hasSize(20);
      assertThat(new SourcePause(rig.configuration("")).resume()).isTrue();
      rig.awaitLeading(moved);
      rig.awaitEvents(25);
      try (ParkingRig parked = new ParkingRig(rig)) {
        assertThat(parked.rows("event_type || ' ' || state", "true"))
            .containsExactly("waits waiting", "discarded discarded");
        rig.execute(
            "UPDATE outbox_parked SET topic = NULL, requested = 'release'"
                + " WHERE event_type = 'waits'");
        rig.awaitEvents(26);
        assertThat(parked.publishedIn(rig.topic))
            .containsOnlyOnce("waits")
            .doesNotContain("discarded");
        assertThat(parked.sequences()).doesNotHaveDuplicates().hasSize(26);
      }
      assertThat(reports(rig)).extracting(Report::number).containsExactly(2L, 1L);
    }
  }

  /** Moves every table to another server, as a dump and its restore do. */
  public static void moveByCopy(PipelineRig rig, PostgresServer to, KafkaExtension kafka)
      throws Exception {
    List<String> tables =
        List.of(
            "outbox_event",
            "outbox_agent_source",
            "outbox_agent_position",
            "outbox_parked",
            "outbox_parked_edit",
            "outbox_reconciliation",
            "outbox_phantom");
    try (Connection before = rig.database.connect()) {
      try (Connection connection = to.connect("postgres");
          Statement statement = connection.createStatement()) {
        statement.execute("CREATE DATABASE " + rig.database.name());
      }
      rig.moveTo(to);
      new PipelineRig(rig.database, kafka, Memory.BROKER).close();
      try (Connection after = rig.database.connect()) {
        for (String table : tables) {
          try (Statement read = before.createStatement();
              ResultSet rows = read.executeQuery("SELECT to_json(t)::text FROM " + table + " t");
              PreparedStatement write =
                  after.prepareStatement(
                      "INSERT INTO %1$s SELECT * FROM json_populate_record(NULL::%1$s, ?::json)"
                          .formatted(table))) {
            while (rows.next()) {
              write.setString(1, rows.getString(1));
              write.executeUpdate();
            }
          }
        }
      }
    }
  }

  @Test
  void saysWhatKeepsASlotFromSurvivingAPromotion() throws Exception {
    try (PostgresServer primary =
            PostgresServer.start(
                PostgresServer.Options.of(PostgresVersion.V18)
                    .withSetting("max_slot_wal_keep_size", "1GB"));
        PipelineRig rig = PipelineRig.on(primary, kafka, memory);
        PostgresStandby standby =
            PostgresStandby.of(primary, PostgresStandby.Options.named("second"))) {
      standby.awaitReplayed();
      rig.execute("SELECT pg_create_logical_replication_slot('outbox_agent', 'pgoutput')");
      List<Finding> warnings =
          SourcePreflight.check(rig.configuration("").source(), false).stream()
              .filter(finding -> finding.severity() == Finding.Severity.WARNING)
              .toList();
      assertThat(warnings)
          .extracting(Finding::what)
          .containsExactly(
              "slot outbox_agent was made without failover: a promoted standby will not have it",
              "synchronized_standby_slots is empty: events may be published that a standby (second)"
                  + " does not have when it is promoted");
      assertThat(warnings.get(1).fix())
          .startsWith("ALTER SYSTEM SET synchronized_standby_slots = 'second'")
          .contains("sync_replication_slots = on", "hot_standby_feedback = on");
      rig.dropSlot();
      rig.awaitLeading(rig.start(""));
      assertThat(
              rig.query(
                  "SELECT failover FROM pg_replication_slots WHERE slot_name = 'outbox_agent'"))
          .isEqualTo("t");
    }
  }

  /** What the versions do differently has nothing to do with the place of the position. */
  private void assumeOneServerOfEachMemory(PostgresVersion version) {
    assumeTrue(memory == Memory.BROKER || version == PostgresVersion.V17, "seen with the other");
  }

  /** Publishes nothing that its standby has not got. */
  private static PostgresServer primaryOfSecond(PostgresVersion version) {
    return PostgresServer.start(
        PostgresServer.Options.of(version).withSetting("synchronized_standby_slots", "second"));
  }

  private static PostgresStandby second(PostgresServer primary) throws SQLException {
    return PostgresStandby.of(primary, PostgresStandby.Options.named("second").withSyncedSlots());
  }

  private static void promote(PostgresStandby standby, PostgresServer primary, PipelineRig rig)
      throws SQLException {
    primary.killPostmaster();
    standby.promote();
    rig.moveTo(standby.server());
  }

  private static int number(ConsumerRecord<String, byte[]> record) {
    return Integer.parseInt(
        new String(record.value(), StandardCharsets.UTF_8).replaceAll("\\D", ""));
  }

  public static List<Report> reports(PipelineRig rig) throws Exception {
    try (Connection connection = rig.database.connect()) {
      return new Reconciliations(rig.configuration("").source())
          .list(connection, rig.checkpoint().source().id());
    }
  }
}
