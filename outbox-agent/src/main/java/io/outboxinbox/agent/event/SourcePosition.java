package io.outboxinbox.agent.event;

/**
 * A place in the write-ahead log up to which events have been taken.
 *
 * <p>Only {@code commitLsn} orders transactions. The other three name one row inside the
 * transaction that follows it, because LSNs of single rows are not ordered across transactions and
 * all rows of one COPY buffer share one LSN.
 *
 * @param commitLsn end LSN of the last COMMIT wholly behind this position; a restart streams from
 *     here and receives every later transaction again
 * @param xid 32-bit id of the transaction partly behind this position; 0 when none is
 * @param lsn LSN of the last row taken from that transaction; 0 when {@code xid} is 0
 * @param ordinal how many rows with that LSN have been taken, from 1; 0 when {@code xid} is 0
 */
public record SourcePosition(long commitLsn, long xid, long lsn, int ordinal) {
  public SourcePosition {
    if (commitLsn <= 0 || xid < 0 || lsn < 0 || ordinal < 0) {
      throw new IllegalArgumentException(
          "position commitLsn=%d xid=%d lsn=%d ordinal=%d: commitLsn must be positive, the others not negative"
              .formatted(commitLsn, xid, lsn, ordinal));
    }
  }

  /** A position between two transactions. */
  public static SourcePosition atCommit(long commitLsn) {
    return new SourcePosition(commitLsn, 0, 0, 0);
  }

  /** Whether the position lies inside a transaction of which more rows may follow. */
  public boolean isInsideTransaction() {
    return xid != 0;
  }
}
