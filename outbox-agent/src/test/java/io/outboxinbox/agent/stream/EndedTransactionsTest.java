package io.outboxinbox.agent.stream;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.event.SourcePosition;
import org.junit.jupiter.api.Test;

class EndedTransactionsTest {
  private static final Checkpoint FROM =
      new Checkpoint(
          new SourceIdentity("1", "db", "pub"),
          "test",
          1,
          "slot",
          "mark",
          1,
          10,
          Checkpoint.BACKLOG_DONE,
          SourcePosition.atCommit(100));

  private final EndedTransactions ended = new EndedTransactions("mark");

  @Test
  void saysNothingBeforeThePulsesOwnTransactionIsBehindThePosition() {
    ended.pulse(new Captured.Pulse(1, 700, "mark"));
    assertThat(at(1000).endedXid()).isZero();
    ended.end(SourcePosition.atCommit(200));
    assertThat(at(199).endedXid()).isZero();
    assertThat(at(200).endedXid()).isEqualTo(700);
  }

  @Test
  void countsWithTheTransactionThatIsPartlyPublishedBehindIt() {
    ended.pulse(new Captured.Pulse(1, 700, "mark"));
    ended.end(SourcePosition.atCommit(200));
    Checkpoint inside = FROM.advancedTo(new SourcePosition(200, 9, 210, 1), 11);
    assertThat(ended.addTo(inside).endedXid()).isEqualTo(700);
  }

  @Test
  void keepsTheHighestAndNeverGoesBack() {
    ended.pulse(new Captured.Pulse(1, 700, "mark"));
    ended.end(SourcePosition.atCommit(200));
    ended.pulse(new Captured.Pulse(2, 650, "mark"));
    ended.end(SourcePosition.atCommit(300));
    assertThat(at(300).endedXid()).isEqualTo(700);
    assertThat(ended.addTo(FROM.withEndedXid(800)).endedXid()).isEqualTo(800);
  }

  @Test
  void ignoresPulsesSentWhileThePublicationWasAnother() {
    ended.pulse(new Captured.Pulse(1, 700, "another mark"));
    ended.end(SourcePosition.atCommit(200));
    assertThat(at(200).endedXid()).isZero();
  }

  @Test
  void holdsABoundedNumberOfPulses() {
    for (int i = 1; i <= 100_000; i++) {
      ended.pulse(new Captured.Pulse(i, i, "mark"));
      ended.end(SourcePosition.atCommit(200 + i));
    }
    assertThat(at(200).endedXid()).isZero();
    assertThat(at(200_000).endedXid()).isEqualTo(100_000);
  }

  private Checkpoint at(long commitLsn) {
    return ended.addTo(FROM.advancedTo(SourcePosition.atCommit(commitLsn), 10));
  }
}
