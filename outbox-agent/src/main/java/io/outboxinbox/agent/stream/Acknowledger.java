package io.outboxinbox.agent.stream;

import io.outboxinbox.agent.event.PositionCommitter;
import io.outboxinbox.agent.event.Receipt;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SourcePosition;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Tells the source how far everything has been confirmed without a gap. Confirming past a gap would
 * lose it: a restart resumes after the confirmed LSN. Used by one thread.
 */
public final class Acknowledger {
  private final PositionCommitter committer;
  private final Deque<Expected> expected = new ArrayDeque<>();
  private final Set<Long> confirmed = new HashSet<>();

  /** A point that may be committed once every event up to {@code sequence} is confirmed. */
  private record Expected(long sequence, SourcePosition position) {}

  public Acknowledger(PositionCommitter committer) {
    this.committer = committer;
  }

  /**
   * Takes the receipts of one batch and commits the position behind the longest unbroken run.
   *
   * @param batch as it was published, in capture order; may be empty
   * @param after the position behind the whole batch
   * @param receipts what the broker confirmed, in any order
   */
  public void acknowledge(List<RoutedEvent> batch, SourcePosition after, List<Receipt> receipts) {
    expect(batch, after);
    for (Receipt receipt : receipts) {
      confirmed.add(receipt.sequence());
    }
    SourcePosition reached = null;
    while (!expected.isEmpty() && isConfirmed(expected.getFirst())) {
      Expected first = expected.removeFirst();
      confirmed.remove(first.sequence());
      reached = first.position();
    }
    if (reached != null) {
      committer.commit(reached);
    }
  }

  /**
   * The last event of a batch stands for the position behind it; without events it stands alone.
   */
  private void expect(List<RoutedEvent> batch, SourcePosition after) {
    for (int i = 0; i < batch.size(); i++) {
      var event = batch.get(i).sequenced();
      boolean last = i == batch.size() - 1;
      expected.addLast(new Expected(event.sequence(), last ? after : event.position()));
    }
    if (batch.isEmpty()) {
      expected.addLast(new Expected(NO_EVENT, after));
    }
  }

  private static final long NO_EVENT = 0;

  private boolean isConfirmed(Expected point) {
    return point.sequence() == NO_EVENT || confirmed.contains(point.sequence());
  }
}
