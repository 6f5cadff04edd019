package io.outboxinbox.quickstart.proof;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.UUID;
import org.junit.jupiter.api.Test;

class LedgerTest {
  private static final EventKey PLACED = new EventKey(1, 1);
  private static final EventKey PAID = new EventKey(1, 2);
  private static final EventKey OTHER = new EventKey(2, 1);
  private static final long NOW = Duration.ofMinutes(1).toNanos();

  private final Ledger ledger = new Ledger(new Latency());

  @Test
  void countsAnEventThatGoesTheWholeWayOnce() {
    commit(PLACED, NOW);
    arrive(PLACED, NOW);

    Tally tally = ledger.tally();
    assertThat(tally.committed()).isOne();
    assertThat(tally.published()).isOne();
    assertThat(tally.consumed()).isOne();
    assertThat(tally.drained()).isTrue();
    assertThat(faults(tally)).isZero();
  }

  @Test
  void acceptsThatAnEventArrivesBeforeItsCommitIsKnown() {
    arrive(PLACED, NOW);
    assertThat(ledger.tally().neverCommitted()).isOne();

    commit(PLACED, NOW);
    assertThat(faults(ledger.tally())).isZero();
    assertThat(ledger.tally().latency().received().maxMillis()).isZero();
  }

  @Test
  void countsWhatIsInTheTopicTwice() {
    commit(PLACED, NOW);
    arrive(PLACED, NOW);
    ledger.published(PLACED, id(PLACED), NOW);

    assertThat(ledger.tally().duplicates()).isOne();
    assertThat(ledger.tally().published()).isOne();
  }

  @Test
  void countsWhatTakesEffectTwiceButNotWhatIsOnlyDeliveredAgain() {
    commit(PLACED, NOW);
    arrive(PLACED, NOW);
    ledger.redelivered(5);
    assertThat(ledger.tally().redelivered()).isEqualTo(5);
    assertThat(ledger.tally().duplicates()).isZero();

    ledger.applied(PLACED, NOW);
    assertThat(ledger.tally().duplicates()).isOne();
  }

  @Test
  void countsAnEventThatComesBeforeItsPredecessor() {
    commit(PLACED, NOW);
    commit(PAID, NOW);
    ledger.published(PAID, id(PAID), NOW);
    ledger.published(PLACED, id(PLACED), NOW);

    assertThat(ledger.tally().outOfOrder()).isOne();
  }

  @Test
  void countsAnEventUnderAWrongId() {
    commit(PLACED, NOW);
    ledger.published(PLACED, id(OTHER), NOW);
    ledger.applied(PLACED, NOW);

    assertThat(ledger.tally().wrongId()).isOne();
  }

  @Test
  void countsAnEventThatMuchLaterOnesHavePassed() {
    commit(PLACED, NOW);
    long later = NOW + Duration.ofSeconds(11).toNanos();
    commit(OTHER, later);
    assertThat(ledger.tally().passedOver()).isZero();

    arrive(OTHER, later);
    assertThat(ledger.tally().passedOver()).isOne();
    assertThat(ledger.tally().lag()).isOne();
    assertThat(ledger.tally().drained()).isFalse();
  }

  @Test
  void noticesAnEventOfATransactionThatWasRolledBack() {
    ledger.rolledBack();
    arrive(PLACED, NOW);

    assertThat(ledger.tally().rolledBack()).isOne();
    assertThat(ledger.tally().neverCommitted()).isOne();
  }

  private void commit(EventKey key, long now) {
    ledger.committed(key, id(key), now);
  }

  private void arrive(EventKey key, long now) {
    ledger.published(key, id(key), now);
    ledger.applied(key, now);
  }

  private static UUID id(EventKey key) {
    return new UUID(key.orderId(), key.version());
  }

  private static long faults(Tally tally) {
    return tally.duplicates()
        + tally.passedOver()
        + tally.neverCommitted()
        + tally.outOfOrder()
        + tally.wrongId()
        + tally.redelivered();
  }
}
