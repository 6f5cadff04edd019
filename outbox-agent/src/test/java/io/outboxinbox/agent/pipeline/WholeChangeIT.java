package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.operate.DeskSelection;
import io.outboxinbox.agent.operate.ParkedDesk;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.table.WholeChange;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.SQLException;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class WholeChangeIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  /** What an operator is told to have been done must not be undone by what was read before. */
  @Test
  void refusesDecisionsAboutParkedEventsUntilItIsDone() throws Exception {
    try (PipelineRig rig = new PipelineRig(postgres, kafka)) {
      SourceConfiguration source = rig.configuration("").source();
      CountDownLatch begun = new CountDownLatch(1);
      CountDownLatch goOn = new CountDownLatch(1);
      DeskSelection one = new DeskSelection.Ordinals(List.of(1L));
      try (ParkedDesk desk =
          ParkedDesk.open(source, new ParkedDesk.Templates("t", "{aggregate_id}"), 60)) {
        rig.execute(
            """
            INSERT INTO outbox_parked (source, ordinal, event_id, topic, payload, key, reason,
              is_behind, epoch, xid, lsn, committed_at)
            VALUES ('%s', 1, 'a', 'topic', '{}', 'key', 'r', false, 1, 1, '0/1', now())
            """
                .formatted(desk.sourceId()));
        CompletableFuture<Boolean> change =
            CompletableFuture.supplyAsync(() -> change(source, desk.sourceId(), begun, goOn));
        assertThat(begun.await(60, TimeUnit.SECONDS)).isTrue();
        assertThatThrownBy(() -> desk.release(one, "operator"))
            .isInstanceOf(AgentException.Retryable.class)
            .hasMessageContaining("nothing was changed");
        goOn.countDown();
        assertThat(change.get(60, TimeUnit.SECONDS)).isTrue();
        assertThat(desk.release(one, "operator")).isNotNull();
        assertThat(rig.query("SELECT requested FROM outbox_parked")).isEqualTo("release");
      } finally {
        goOn.countDown();
      }
    }
  }

  /** Of one schema: neither its leader nor another change waits, and nobody is told to end it. */
  @Test
  void leavesOtherSourcesAlone() throws Exception {
    try (PipelineRig rig = new PipelineRig(postgres, kafka);
        ParkingRig parked = new ParkingRig(rig)) {
      SourceConfiguration source = rig.configuration("").source();
      Pipeline beside = rig.start("");
      rig.awaitLeading(beside);
      CountDownLatch begun = new CountDownLatch(1);
      CountDownLatch goOn = new CountDownLatch(1);
      try {
        CompletableFuture<Boolean> change =
            CompletableFuture.supplyAsync(() -> change(source, "another source", begun, goOn));
        assertThat(begun.await(60, TimeUnit.SECONDS)).isTrue();
        parked.insert("poison", "key", rig.topic + "-nowhere", "{}");
        parked.awaitWaiting(1);
        rig.insert(0, 5);
        rig.awaitEvents(5);
        assertThat(change(source, "a third source", begun, new CountDownLatch(0))).isTrue();
        assertThat(beside.status().restarts()).isZero();
        assertThat(change).isNotDone();
        goOn.countDown();
        assertThat(change.get(60, TimeUnit.SECONDS)).isTrue();
      } finally {
        goOn.countDown();
      }
    }
  }

  private static boolean change(
      SourceConfiguration source, String id, CountDownLatch begun, CountDownLatch goOn) {
    try {
      return new WholeChange(source, new SourceConnections(source))
          .make(
              "the change",
              Set.of(id),
              connection -> {
                begun.countDown();
                try {
                  return goOn.await(60, TimeUnit.SECONDS);
                } catch (InterruptedException e) {
                  throw new IllegalStateException(e);
                }
              });
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }
}
