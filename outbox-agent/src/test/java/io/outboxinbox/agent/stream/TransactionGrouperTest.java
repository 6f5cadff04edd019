package io.outboxinbox.agent.stream;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.configure.PipelineConfiguration.BatchConfiguration;
import io.outboxinbox.agent.configure.PipelineConfiguration.UnknownTopic;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.RawRow;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.park.FloodBreaker;
import io.outboxinbox.agent.park.HeldKeys;
import io.outboxinbox.agent.source.table.ParkedEvent;
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
          SourcePosition.atCommit(100),
          Checkpoint.Parking.NONE,
          0,
          0,
          0);

  private final ScriptedRules rules = new ScriptedRules();
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
  void publishesWhatEndedBeforeABatchGrowsTooLarge() {
    TransactionGrouper small = grouper(100, 250);
    small.add(row(1));
    small.add(end(200));
    small.add(row(2));
    assertThat(small.isBatchFull()).isFalse();
    small.add(row(3));
    assertThat(small.isBatchFull()).isTrue();
    assertThat(small.takeEnded().events()).hasSize(1);
    assertThat(small.isBatchFull()).isFalse();
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
  void parksARejectedEventWithoutANumberAndWhatFollowsUnderItsKey() {
    rules.refuse("2");
    grouper.add(row(1, "a"));
    grouper.add(row(2, "b"));
    grouper.add(end(200));
    grouper.add(row(3, "a"));
    grouper.add(row(4, "b"));
    grouper.add(end(300));
    TransactionGrouper.Batch batch = grouper.takeEnded();
    assertThat(batch.events())
        .extracting(e -> e.sequenced().event().id())
        .containsExactly("1", "3");
    assertThat(batch.events()).extracting(e -> e.sequenced().sequence()).containsExactly(11L, 12L);
    assertThat(batch.parked()).extracting(e -> e.row().id()).containsExactly("2", "4");
    assertThat(batch.parked()).extracting(ParkedEvent::key).containsExactly("b", "b");
    assertThat(batch.parked()).extracting(ParkedEvent::isBehind).containsExactly(false, true);
    assertThat(batch.position()).isEqualTo(SourcePosition.atCommit(300));
    grouper.throwIfWaiting();
  }

  @Test
  void aRowThatTellsNoKeyHoldsNothingBack() {
    grouper.add(bad(null, "column aggregate_id is NULL"));
    grouper.add(row(3, "a"));
    grouper.add(end(300));
    TransactionGrouper.Batch batch = grouper.takeEnded();
    assertThat(batch.events()).hasSize(1);
    assertThat(batch.parked()).hasSize(1);
    assertThat(batch.parked().get(0).key()).isNull();
    assertThat(batch.parked().get(0).reason())
        .isEqualTo("row 9 of the outbox is no event: column aggregate_id is NULL");
  }

  @Test
  void aBadRowHoldsItsKeyAndWaitsBehindIt() {
    grouper.add(bad("a", "column event_type is NULL"));
    grouper.add(bad("a", "column event_type is NULL"));
    grouper.add(row(3, "a"));
    grouper.add(end(300));
    TransactionGrouper.Batch batch = grouper.takeEnded();
    assertThat(batch.events()).isEmpty();
    assertThat(batch.parked()).extracting(ParkedEvent::isBehind).containsExactly(false, true, true);
  }

  @Test
  void splitsATransactionOfNothingButParkedRows() {
    rules.refuse("1", "2", "3", "4");
    for (int i = 1; i <= 4; i++) {
      grouper.add(row(i, "k" + i));
    }
    TransactionGrouper.Batch batch = grouper.takeEnded();
    assertThat(batch.parked()).hasSize(3);
    assertThat(batch.position()).isEqualTo(row(3).position());
    assertThat(batch.sequence()).isEqualTo(10);
    TransactionGrouper small = grouper(100, 10);
    small.add(row(1, "k1"));
    small.add(row(2, "k2"));
    assertThat(small.takeEnded().parked()).hasSize(2);
  }

  @Test
  void publishesWhatEndedBeforeAFloodAndNothingOfItsTransaction() {
    rules.refuse("2", "3");
    TransactionGrouper flooded =
        new TransactionGrouper(
            new BatchConfiguration(10, 10, 1000), triage(1, UnknownTopic.PARK), false, FROM);
    flooded.add(row(1, "a"));
    flooded.add(row(2, "b"));
    flooded.add(end(200));
    flooded.add(row(4, "a"));
    flooded.add(row(3, "c"));
    flooded.add(row(5, "a"));
    flooded.add(end(300));
    TransactionGrouper.Batch batch = flooded.takeEnded();
    assertThat(batch.events()).extracting(e -> e.sequenced().event().id()).containsExactly("1");
    assertThat(batch.parked()).hasSize(1);
    assertThat(batch.position()).isEqualTo(SourcePosition.atCommit(200));
    assertThatThrownBy(flooded::throwIfWaiting)
        .isInstanceOf(AgentException.Flood.class)
        .hasMessageContaining("more than 1 events were refused within a minute")
        .hasMessageContaining("refused 3")
        .hasMessageContaining("parking.perMinute");
  }

  @Test
  void waitsForATopicWhenToldTo() {
    rules.missTopicOf("2");
    TransactionGrouper waiting =
        new TransactionGrouper(
            new BatchConfiguration(10, 10, 1000), triage(600, UnknownTopic.WAIT), false, FROM);
    waiting.add(row(1, "a"));
    waiting.add(end(200));
    waiting.add(row(2, "b"));
    waiting.add(end(300));
    assertThat(waiting.takeEnded().position()).isEqualTo(SourcePosition.atCommit(200));
    assertThatThrownBy(waiting::throwIfWaiting).hasMessageContaining("refused 2");
  }

  @Test
  void givesNumbersToOthersOnlyWhenIdle() {
    grouper.add(row(1));
    assertThatThrownBy(() -> grouper.skipTo(20)).isInstanceOf(IllegalStateException.class);
    grouper.add(end(200));
    assertThat(grouper.takeEnded().sequence()).isEqualTo(11);
    grouper.skipTo(20);
    grouper.add(row(2));
    grouper.add(end(300));
    assertThat(grouper.takeEnded().sequence()).isEqualTo(21);
  }

  private TransactionGrouper grouper(int atomicEvents, long atomicBytes) {
    return new TransactionGrouper(
        new BatchConfiguration(10, atomicEvents, atomicBytes),
        triage(600, UnknownTopic.PARK),
        false,
        FROM);
  }

  private Triage triage(int perMinute, UnknownTopic unknownTopic) {
    return new Triage(
        rules,
        new HeldKeys(),
        new StreamMemory(
            new FloodBreaker(perMinute, System::nanoTime),
            new Isolation(),
            new BatchSize(System::nanoTime)),
        unknownTopic);
  }

  private static Captured.Row row(int id) {
    return row(id, "1");
  }

  private static Captured.Row row(int id, String key) {
    OutboxEvent event =
        new OutboxEvent(
            "outbox_event",
            String.valueOf(id),
            "order",
            key,
            "placed",
            new byte[5],
            null,
            Map.of(),
            null,
            null,
            Map.of());
    return new Captured.Row(new SourcePosition(100, 7, 100 + id, 1), Instant.EPOCH, event);
  }

  private static Captured.BadRow bad(String key, String reason) {
    RawRow row =
        new RawRow("outbox_event", "9", "a", key, null, null, null, null, null, null, Map.of());
    return new Captured.BadRow(new SourcePosition(100, 7, 199, 1), Instant.EPOCH, row, reason);
  }

  private static Captured.TransactionEnd end(long commitLsn) {
    return new Captured.TransactionEnd(SourcePosition.atCommit(commitLsn));
  }
}
