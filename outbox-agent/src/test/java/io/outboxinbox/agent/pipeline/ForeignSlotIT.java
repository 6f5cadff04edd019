package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.operate.ReconcileRequest;
import io.outboxinbox.agent.operate.SourceReset;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A slot that the source has not read may be a connector's, with events nobody else will send. */
class ForeignSlotIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private PipelineRig rig;

  @BeforeEach
  void setUp() throws Exception {
    rig = new PipelineRig(postgres, kafka);
    rig.execute(
        "SELECT pg_create_logical_replication_slot('" + PipelineRig.SLOT + "', 'pgoutput')");
    rig.insert(0, 5);
  }

  @AfterEach
  void tearDown() {
    rig.close();
  }

  @Test
  void aReconciliationIsRefusedAndDropsNothing() throws Exception {
    new ReconcileRequest(rig.configuration(""), "operator").ask(null);
    Pipeline pipeline = rig.start("existingRows: publish");
    rig.awaitState(pipeline, State.MISCONFIGURED);
    assertThat(pipeline.status().reason()).contains("slot outbox_agent exists", "has not read it");
    assertThatSlotIsThere();
  }

  @Test
  void aResetLeavesItAloneAndAStartMayTakeItOver() throws Exception {
    new ReconcileRequest(rig.configuration(""), "operator").ask(null);
    new SourceReset(rig.configuration(""), "operator").run();
    assertThatSlotIsThere();
    rig.awaitLeading(rig.start("existingRows: skip"));
    rig.insert(5, 10);
    rig.awaitEvents(10);
    rig.assertThatEventsAreExactly(10);
  }

  /** As when it fails behind the broker's answer: the position tells nothing any more. */
  @Test
  void aResetThatIsDoneAgainLeavesItAloneToo() throws Exception {
    rig.names = "slot: own";
    Pipeline own = rig.start("");
    rig.awaitLeading(own);
    rig.awaitEvents(5);
    assertThat(own.stop(Duration.ofSeconds(40))).isTrue();
    rig.names = "slot: " + PipelineRig.SLOT;
    new SourceReset(rig.configuration(""), "operator").run();
    new SourceReset(rig.configuration(""), "operator").run();
    assertThatSlotIsThere();
    Pipeline pipeline = rig.start("existingRows: publish");
    rig.awaitState(pipeline, State.MISCONFIGURED);
    assertThat(pipeline.status().reason()).contains("slot outbox_agent exists already");
    assertThatSlotIsThere();
  }

  private void assertThatSlotIsThere() throws Exception {
    assertThat(
            rig.database.list(
                "SELECT slot_name::text FROM pg_replication_slots WHERE database = current_database()"))
        .contains(PipelineRig.SLOT);
  }
}
