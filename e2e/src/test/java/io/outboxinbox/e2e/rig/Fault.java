package io.outboxinbox.e2e.rig;

/** A way in which what was published can differ from what was committed. */
public enum Fault {
  /** Committed, and no consumer ever sees it. */
  LOST,
  /** Visible more than once. */
  DUPLICATED,
  /** Visible, but rolled back or in no ledger. */
  NEVER_COMMITTED,
  /** Another key or payload than was written, or one key in two partitions. */
  ALTERED,
  /** Before an earlier event of its key. */
  REORDERED,
  /** By its sequence before an event that its writer committed earlier. */
  OUT_OF_COMMIT_ORDER,
  /** Sequence numbers of an epoch that are not exactly 1 to n, each once, rising per partition. */
  SEQUENCE,
  /**
   * Events of one database transaction spread over more Kafka transactions than its size allows.
   */
  TORN
}
