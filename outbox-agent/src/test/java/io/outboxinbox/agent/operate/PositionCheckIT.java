package io.outboxinbox.agent.operate;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Finding.Severity;
import io.outboxinbox.agent.pipeline.CrashingPublishing;
import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.agent.pipeline.PipelineRig.Memory;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.agent.reconcile.FailoverIT;
import io.outboxinbox.agent.source.inspect.SourcePreflight;
import io.outboxinbox.agent.source.slot.SlotState;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresServer;
import io.outboxinbox.testkit.PostgresStandby;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

@ParameterizedClass
@EnumSource(Memory.class)
class PositionCheckIT {
  @Parameter Memory memory;

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  /** The leader publishes and moves the slot after the broker has told the position. */
  @Test
  void aLeaderThatMovesOnWhileItIsLookedAtIsNoFault() throws Exception {
    try (PostgresServer server = PostgresServer.start(PostgresVersion.V17);
        PipelineRig rig = PipelineRig.on(server, kafka, memory)) {
      Pipeline pipeline = rig.start("");
      rig.awaitLeading(pipeline);
      rig.insert(0, 3);
      rig.awaitEvents(3);
      AtomicInteger events = new AtomicInteger(3);
      PipelineConfiguration busy =
          CrashingPublishing.asked(rig.configuration("").publish(), () -> moveSlot(rig, events))
              .in(rig.configuration(""));
      assertThat(PositionCheck.run(busy))
          .as("findings while %d events passed", events.get())
          .allMatch(finding -> finding.severity() == Severity.OK);
      assertThat(events.get()).isGreaterThan(3);
    }
  }

  private static void moveSlot(PipelineRig rig, AtomicInteger events) {
    try (Connection connection = rig.database.connect()) {
      long before = confirmed(connection);
      int from = events.getAndAdd(2);
      rig.insert(from, from + 2);
      rig.await(() -> confirmed(connection) > before);
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private static long confirmed(Connection connection) throws SQLException {
    return SlotState.of(connection, PipelineRig.SLOT).orElseThrow().confirmedFlushLsn();
  }

  /** The leader publishes and moves the position while a preview looks. */
  @Test
  void aPreviewBesideALeaderThatMovesOnKnowsWhatIsPublished() throws Exception {
    try (PostgresServer server = PostgresServer.start(PostgresVersion.V17);
        PipelineRig rig = PipelineRig.on(server, kafka)) {
      rig.awaitLeading(rig.start(""));
      rig.insert(0, 50);
      rig.awaitEvents(50);
      rig.await(() -> rig.checkpoint().endedXid() > rig.xidOf(49));
      AtomicInteger events = new AtomicInteger(50);
      PipelineConfiguration busy =
          CrashingPublishing.asking(
                  rig.configuration("").publish(), () -> movePosition(rig, events))
              .in(rig.configuration(""));
      ReconcileRequest.Preview preview = new ReconcileRequest(busy, "operator").preview(null);
      assertThat(preview.tables().get(0).knowsPublished()).as(preview.toString()).isTrue();
      assertThat(preview.candidates()).as(preview.toString()).isLessThan(50);
      assertThat(preview.causes()).isEmpty();
    }
  }

  private static void movePosition(PipelineRig rig, AtomicInteger events) {
    try {
      long before = rig.checkpoint().sequence();
      int from = events.getAndAdd(2);
      rig.insert(from, from + 2);
      rig.await(() -> rig.checkpoint().sequence() > before);
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  /** Whoever looks before a start must not be told that all is well where the start stops. */
  @Test
  void saysWhatAStartSaysWhereTheBrokerHasNoPosition() throws Exception {
    try (PostgresServer old = PostgresServer.start(PostgresVersion.V17);
        PostgresServer rebuilt = PostgresServer.start(PostgresVersion.V18);
        PipelineRig rig = PipelineRig.on(old, kafka)) {
      rig.names = "publication: outbox_publication";
      Pipeline pipeline = rig.start("");
      rig.awaitLeading(pipeline);
      rig.insert(0, 5);
      rig.awaitEvents(5);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      PostgresDatabase before = rig.database;
      FailoverIT.moveByCopy(rig, rebuilt, kafka);
      assertThatCheckAndStartAgree(rig, Severity.FATAL, "the database was rebuilt or migrated");
      rig.database = before;
      rig.forgetPosition();
      assertThatCheckAndStartAgree(rig, Severity.GAP, "the broker has no checkpoint of it");
      rig.execute("ALTER PUBLICATION outbox_publication RENAME TO orders_publication");
      rig.names = "publication: orders_publication";
      assertThatCheckAndStartAgree(rig, Severity.GAP, "may have published before as");
    }
  }

  private static void assertThatCheckAndStartAgree(PipelineRig rig, Severity severity, String what)
      throws Exception {
    List<Finding> found = PositionCheck.run(rig.configuration(""));
    Pipeline pipeline = rig.start("");
    rig.awaitState(pipeline, State.STOPPED);
    assertThat(found)
        .singleElement()
        .satisfies(
            finding -> {
              assertThat(finding.severity()).isEqualTo(severity);
              assertThat(finding.what()).contains(what);
              assertThat(pipeline.status().reason()).startsWith(finding.what());
            });
    ReconcileRequest request = new ReconcileRequest(rig.configuration(""), "operator");
    String fix = String.valueOf(found.get(0).fix());
    assertThat(request.preview(null).causes()).containsExactly(found.get(0).what());
    if (severity == Severity.FATAL) {
      assertThat(request.preview(null).refusal()).contains(found.get(0).what(), "--accept-cluster");
      String former = fix.replaceAll("(?s).*--accept-cluster (\\d+) .*", "$1");
      assertThat(request.preview(former).refusal()).isNull();
    }
    assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
  }

  /** Whoever follows the advice must not turn a replica into a second primary. */
  @Test
  void aReplicaIsToldFromItsPrimaryAndNothingElseIsAdvised() throws Exception {
    try (PostgresServer server = PostgresServer.start(PostgresVersion.V17);
        PipelineRig rig = PipelineRig.on(server, kafka, memory)) {
      Pipeline pipeline = rig.start("");
      rig.awaitLeading(pipeline);
      rig.insert(0, 3);
      rig.awaitEvents(3);
      Checkpoint position = rig.checkpoint();
      try (PostgresStandby replica =
          PostgresStandby.of(server, PostgresStandby.Options.named("replica"))) {
        PostgresDatabase database = rig.database;
        replica.awaitReplayed();
        rig.moveTo(replica.server());
        List<Finding> source = SourcePreflight.check(rig.configuration("").source(), false);
        assertThat(source.stream().filter(finding -> finding.severity() != Severity.OK))
            .as("position %s", position)
            .singleElement()
            .satisfies(
                finding -> {
                  assertThat(finding.what()).contains("is in recovery");
                  assertThat(finding.fix()).isEqualTo("set source.host to the primary");
                });
        assertThat(PositionCheck.run(rig.configuration(""))).isEmpty();
        rig.database = database;
      }
    }
  }
}
