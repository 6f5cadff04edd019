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
          SourcePosition.atCommit(100),
          Checkpoint.Parking.NONE,
          0,
          0,
          0);

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

  /** It was sent for those that join, and says all of those that are read already. */
  @Test
  void countsAPulseThatSaysTheSameOfMoreTables() {
    EndedTransactions ofOne = new EndedTransactions("publication 1/2 table 3/4");
    String both = "publication 1/2 [10 \"outbox_event\" table 3/4] [20 \"event\" table 5/6]";
    ofOne.pulse(new Captured.Pulse(1, 700, both));
    ofOne.pulse(new Captured.Pulse(2, 800, both.replace("3/4", "3/5")));
    ofOne.end(SourcePosition.atCommit(200));
    assertThat(ofOne.addTo(FROM.advancedTo(SourcePosition.atCommit(200), 10)).endedXid())
        .isEqualTo(700);
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
