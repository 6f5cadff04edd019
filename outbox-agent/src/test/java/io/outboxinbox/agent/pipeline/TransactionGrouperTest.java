package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Destination;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.pipeline.PipelineConfiguration.BatchConfiguration;
import java.time.Instant;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TransactionGrouperTest {
  private static final Checkpoint FROM =
      new Checkpoint(
          new SourceIdentity("1", "db", "pub"),
          "test",
          1,
          "slot",
          "mark",
          4,
          10,
          Checkpoint.BACKLOG_DONE,
          SourcePosition.atCommit(100));

  private final TransactionGrouper grouper = grouper(3, 1000);

  @Test
  void holdsEventsBackUntilTheirTransactionEnds() {
    grouper.add(row(1));
    assertThat(grouper.takeEnded().events()).isEmpty();
    grouper.add(end(200));
    TransactionGrouper.Batch batch = grouper.takeEnded();
    assertThat(batch.events()).hasSize(1);
    assertThat(batch.position()).isEqualTo(SourcePosition.atCommit(200));
    assertThat(batch.sequence()).isEqualTo(11);
  }

  @Test
  void countsOnFromTheCheckpointWithoutGaps() {
    grouper.add(row(1));
    grouper.add(end(200));
    grouper.add(row(2));
    grouper.add(end(300));
    assertThat(grouper.takeEnded().events())
        .extracting(e -> e.sequenced().sequence())
        .containsExactly(11L, 12L);
  }

  @Test
  void splitsATransactionOfTooManyEventsInsideIt() {
    for (int i = 1; i <= 4; i++) {
      grouper.add(row(i));
    }
    TransactionGrouper.Batch batch = grouper.takeEnded();
    assertThat(batch.events()).hasSize(3);
    assertThat(batch.position()).isEqualTo(row(3).position());
  }

  @Test
  void splitsATransactionOfTooManyBytes() {
    TransactionGrouper small = grouper(100, 10);
    small.add(row(1));
    small.add(row(2));
    assertThat(small.takeEnded().events()).hasSize(2);
  }

  @Test
  void movesOnWithoutEvents() {
    grouper.add(end(200));
    TransactionGrouper.Batch batch = grouper.takeEnded();
    assertThat(batch.events()).isEmpty();
    assertThat(batch.position()).isEqualTo(SourcePosition.atCommit(200));
    assertThat(batch.sequence()).isEqualTo(10);
  }

  @Test
  void publishesWhatEndedBeforeARejectedEventAndNothingOfItsTransaction() {
    grouper.add(row(1));
    grouper.add(end(200));
    grouper.add(row(2));
    grouper.add(bad("column aggregate_id is NULL"));
    grouper.add(row(3));
    grouper.add(end(300));
    TransactionGrouper.Batch batch = grouper.takeEnded();
    assertThat(batch.events()).extracting(e -> e.sequenced().event().id()).containsExactly("1");
    assertThat(batch.position()).isEqualTo(SourcePosition.atCommit(200));
    assertThatThrownBy(grouper::throwIfRejected)
        .isInstanceOf(AgentException.RejectedEvent.class)
        .hasMessageContaining("column aggregate_id is NULL");
  }

  @Test
  void treatsARoutesRejectionLikeABadRow() {
    TransactionGrouper refusing =
        new TransactionGrouper(
            new BatchConfiguration(10, 10, 1000),
            event -> {
              throw new AgentException.RejectedEvent("no such topic");
            },
            FROM);
    refusing.add(row(1));
    refusing.add(end(200));
    assertThat(refusing.takeEnded().position()).isEqualTo(FROM.position());
    assertThatThrownBy(refusing::throwIfRejected).hasMessageContaining("no such topic");
  }

  private static TransactionGrouper grouper(int atomicEvents, long atomicBytes) {
    return new TransactionGrouper(
        new BatchConfiguration(10, atomicEvents, atomicBytes), TransactionGrouperTest::route, FROM);
  }

  private static RoutedEvent route(SequencedEvent event) {
    return new RoutedEvent(event, new Destination("t", "k", java.util.List.of()));
  }

  private static Captured.Row row(int id) {
    OutboxEvent event =
        new OutboxEvent(
            String.valueOf(id),
            "order",
            "1",
            "placed",
            new byte[5],
            null,
            Map.of(),
            null,
            null,
            Map.of());
    return new Captured.Row(new SourcePosition(100, 7, 100 + id, 1), Instant.EPOCH, event);
  }

  private static Captured.BadRow bad(String reason) {
    return new Captured.BadRow(new SourcePosition(100, 7, 199, 1), Instant.EPOCH, "9", reason);
  }

  private static Captured.TransactionEnd end(long commitLsn) {
    return new Captured.TransactionEnd(SourcePosition.atCommit(commitLsn));
  }
}
