package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.operate.ReconcileRequest;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.replay.Replay;
import io.outboxinbox.agent.source.outbox.StoredRows.Selection;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.time.Duration;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A column that is not there is never taken for NULL, which would publish tombstones. */
class AlteredColumnIT {
  private static final String BODY = "columns: {payload: body}";

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

  private void insertBody(int number) throws Exception {
    rig.execute(
        "INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type, body)"
            + " VALUES ('order', 'key-%d', 'placed', '{\"n\":%d}')".formatted(number % 5, number));
  }

  private void assertThatNoneIsNull() {
    assertThat(rig.consume()).extracting(ConsumerRecord::value).doesNotContainNull();
  }

  @Test
  void publishesRowsWrittenBeforeARenameFromTheTable() throws Exception {
    Pipeline before = rig.start("");
    rig.awaitLeading(before);
    rig.insert(0, 2);
    rig.awaitEvents(2);
    assertThat(before.stop(Duration.ofSeconds(20))).isTrue();
    rig.insert(2, 5);
    rig.execute("ALTER TABLE outbox_event RENAME payload TO body");

    Pipeline after = rig.start(BODY);
    rig.awaitState(after, State.STOPPED);
    assertThat(after.status().reason())
        .contains("have no column body")
        .contains("payload")
        .contains("reconcile");
    assertThatNoneIsNull();

    new ReconcileRequest(rig.configuration(BODY), "operator").ask(null);
    rig.awaitLeading(after);
    insertBody(5);
    rig.awaitEvents(6);
    rig.assertThatEventsAreExactly(6);
  }

  @Test
  void healsARenameByItselfWhereGapsAreHealed() throws Exception {
    Pipeline before = rig.start("");
    rig.awaitLeading(before);
    assertThat(before.stop(Duration.ofSeconds(20))).isTrue();
    rig.insert(0, 3);
    rig.execute("ALTER TABLE outbox_event RENAME payload TO body");
    insertBody(3);

    rig.start(BODY + "\n      onGap: reconcile");
    rig.awaitEvents(4);
    rig.assertThatEventsAreExactly(4);
  }

  /** The position names the slot of before until the next one is durable. */
  @Test
  void healsARenameThatIsMetRightAfterTheSlotWasChanged() throws Exception {
    rig.names = "slot: former";
    Pipeline before = rig.start("");
    rig.awaitLeading(before);
    assertThat(before.stop(Duration.ofSeconds(20))).isTrue();
    rig.execute(
        "SELECT pg_copy_logical_replication_slot('former', 'present')",
        "UPDATE outbox_agent_source SET slot = 'present'");
    rig.insert(0, 3);
    rig.execute("ALTER TABLE outbox_event RENAME payload TO body");
    insertBody(3);

    rig.names = "slot: present";
    rig.start(BODY + "\n      onGap: reconcile");
    rig.awaitEvents(4);
    rig.assertThatEventsAreExactly(4);
  }

  /** The position's mark of the publication said less then, and each start adds the rest. */
  @Test
  void stopsAtAGapBehindAPositionOfAnEarlierVersionUntilAnOperatorDecides() throws Exception {
    rig.execute(
        "DROP PUBLICATION outbox_publication",
        "CREATE PUBLICATION outbox_publication FOR ALL TABLES WITH (publish = 'insert', publish_via_partition_root = true)");
    Pipeline before = rig.start("");
    rig.awaitLeading(before);
    rig.insert(0, 2);
    rig.awaitEvents(2);
    assertThat(before.stop(Duration.ofSeconds(20))).isTrue();
    try (Connection session = rig.database.connect();
        Publisher publisher = rig.newPublisher(session)) {
      Checkpoint last = rig.checkpoint();
      publisher.takeOver(last.source());
      String mark = last.publicationMark().replaceFirst(" of .*", "");
      publisher.publishBatch(List.of(), last.withPublicationMark(mark));
    }
    rig.insert(2, 5);
    rig.execute("ALTER TABLE outbox_event RENAME payload TO body");

    Pipeline after = rig.start(BODY);
    rig.awaitState(after, State.STOPPED);
    assertThat(after.status().reason()).contains("have no column body");
    new ReconcileRequest(rig.configuration(BODY), "operator").ask(null);
    rig.awaitLeading(after);
    rig.awaitEvents(5);
    rig.assertThatEventsAreExactly(5);
  }

  @Test
  void publishesNothingMoreOnceAColumnIsRenamedUnderARunningAgent() throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitLeading(pipeline);
    rig.execute("ALTER TABLE outbox_event RENAME payload TO body");
    insertBody(0);
    rig.awaitState(pipeline, State.MISCONFIGURED);
    assertThat(pipeline.status().reason()).contains("has no column payload");
    assertThatNoneIsNull();
    assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();

    rig.start(BODY);
    rig.awaitEvents(1);
    rig.assertThatEventsAreExactly(1);
  }

  @Test
  void replaysNothingWithoutAColumnTheConfigurationNames() throws Exception {
    rig.insert(0, 1);
    rig.execute("ALTER TABLE outbox_event RENAME payload TO body");
    Selection all = new Selection(null, null, List.of(), null, null);
    assertThatThrownBy(
            () ->
                new Replay(rig.configuration(""))
                    .run(new Replay.Order("r", null, all, null, 1000, null), progress -> {}))
        .isInstanceOf(AgentException.Misconfigured.class)
        .hasMessageContaining("has no column payload");
    assertThat(rig.consume()).isEmpty();
  }
}
