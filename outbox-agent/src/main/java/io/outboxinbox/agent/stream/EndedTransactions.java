package io.outboxinbox.agent.stream;

import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.source.PublicationMark;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Keeps what returned pulses tell of ended transactions until the position has moved behind them:
 * only then are all rows of those transactions published or parked. Used by one thread.
 */
public final class EndedTransactions {
  /** Pulses not yet covered; beyond this the oldest is forgotten, which only costs precision. */
  private static final int KEPT_MAX = 1024;

  private record Known(long commitLsn, long endedXid) {}

  private final String publicationMark;
  private final Deque<Known> waiting = new ArrayDeque<>();
  private long seen;

  /**
   * Starts with nothing known.
   *
   * @param publicationMark the checkpoint's; a pulse sent under one that says less, or otherwise,
   *     proves nothing, since rows may have been written while a table was outside the publication
   */
  public EndedTransactions(String publicationMark) {
    this.publicationMark = publicationMark;
  }

  public void pulse(Captured.Pulse pulse) {
    if (PublicationMark.covers(pulse.publicationMark(), publicationMark)) {
      seen = Math.max(seen, pulse.endedXid());
    }
  }

  /** The transaction of the pulse, if there was one, has ended. */
  public void end(SourcePosition position) {
    if (seen > 0) {
      if (waiting.size() == KEPT_MAX) {
        waiting.removeFirst();
      }
      waiting.addLast(new Known(position.commitLsn(), seen));
      seen = 0;
    }
  }

  /** Adds to a checkpoint what is known at its position. */
  public Checkpoint addTo(Checkpoint checkpoint) {
    long endedXid = checkpoint.endedXid();
    while (!waiting.isEmpty()
        && waiting.getFirst().commitLsn() <= checkpoint.position().commitLsn()) {
      endedXid = Math.max(endedXid, waiting.removeFirst().endedXid());
    }
    return endedXid == checkpoint.endedXid() ? checkpoint : checkpoint.withEndedXid(endedXid);
  }
}
