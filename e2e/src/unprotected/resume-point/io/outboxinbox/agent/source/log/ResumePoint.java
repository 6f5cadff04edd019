package io.outboxinbox.agent.source.log;

import io.outboxinbox.agent.event.SourcePosition;

/**
 * The agent's class without its protection: after a restart every row PostgreSQL sends again counts
 * as new. Only for the proof that the ledger finds the duplicates.
 */
final class ResumePoint {
  private long xid;
  private long lsn;
  private int ordinal;

  ResumePoint(SourcePosition resumed) {
    System.out.println("UNPROTECTED: rows behind " + resumed + " will be published again");
  }

  SourcePosition row(long commitLsn, long rowXid, long rowLsn) {
    if (rowXid != xid || rowLsn != lsn) {
      xid = rowXid;
      lsn = rowLsn;
      ordinal = 0;
    }
    ordinal++;
    return new SourcePosition(commitLsn, rowXid, rowLsn, ordinal);
  }

  SourcePosition end(long endedXid, long commitLsn) {
    return SourcePosition.atCommit(commitLsn);
  }
}
