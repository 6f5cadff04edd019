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
import io.outboxinbox.agent.source.inspect.SourcePreflight;
import io.outboxinbox.agent.source.slot.SlotState;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresServer;
import io.outboxinbox.testkit.PostgresStandby;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.SQLException;
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
