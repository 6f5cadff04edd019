package io.outboxinbox.agent.source.log;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Lsn;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.event.WayOut;
import org.jspecify.annotations.Nullable;

/**
 * Decides which rows of the resent log are already behind us, and gives every other row its
 * position.
 *
 * <p>Streaming restarts at {@link SourcePosition#commitLsn()}, so PostgreSQL sends every later
 * transaction again, whole and in the same order. At most the first of them is partly behind us;
 * its rows are compared by (LSN, n-th row at that LSN), because rows of one COPY buffer share one
 * LSN. Not thread-safe.
 */
final class ResumePoint {

  /** How the resent log relates to the position it was resumed from. */
  private enum State {
    /** The partly published transaction has not come yet, or its published rows are coming. */
    SKIPPING,
    /** The last published row has just been skipped: the next row is new. */
    REACHED,
    /** Everything that comes is new. */
    PASSING
  }

  private final SourcePosition resumed;
  private State state;
  private long xid;
  private long lsn;
  private int ordinal;

  ResumePoint(SourcePosition resumed) {
    this.resumed = resumed;
    this.state = resumed.isInsideTransaction() ? State.SKIPPING : State.PASSING;
  }

  /**
   * Takes the next row of the log.
   *
   * @return the row's position, or null when the row is already published
   * @throws AgentException.Gap the resent log does not contain the row the position names
   */
  @Nullable SourcePosition row(long commitLsn, long rowXid, long rowLsn) {
    if (rowXid != xid || rowLsn != lsn) {
      xid = rowXid;
      lsn = rowLsn;
      ordinal = 0;
    }
    ordinal++;
    if (state == State.SKIPPING) {
      requireResumed(rowXid);
      int order = Long.compareUnsigned(rowLsn, resumed.lsn());
      if (order > 0 || (order == 0 && ordinal > resumed.ordinal())) {
        throw notFound();
      }
      if (order == 0 && ordinal == resumed.ordinal()) {
        state = State.REACHED;
      }
      return null;
    }
    state = State.PASSING;
    return new SourcePosition(commitLsn, rowXid, rowLsn, ordinal);
  }

  /**
   * Takes the end of a transaction.
   *
   * @param commitLsn end LSN of its COMMIT
   * @return the position behind it; unchanged while the partly published transaction is still to
   *     come, since nothing before it may be given up
   */
  SourcePosition end(long endedXid, long commitLsn) {
    if (state == State.SKIPPING) {
      if (endedXid == resumed.xid()) {
        throw notFound();
      }
      return resumed;
    }
    state = State.PASSING;
    return SourcePosition.atCommit(commitLsn);
  }

  private void requireResumed(long rowXid) {
    if (rowXid != resumed.xid()) {
      throw new AgentException.Gap(
          "the log resent from %s starts with rows of transaction %d, but transaction %d is the one partly published"
              .formatted(Lsn.format(resumed.commitLsn()), rowXid, resumed.xid()),
          WayOut.RECONCILE);
    }
  }

  private AgentException.Gap notFound() {
    return new AgentException.Gap(
        "the log resent from %s no longer contains row %d at %s of transaction %d, the last one published"
            .formatted(
                Lsn.format(resumed.commitLsn()),
                resumed.ordinal(),
                Lsn.format(resumed.lsn()),
                resumed.xid()),
        WayOut.RECONCILE);
  }
}
