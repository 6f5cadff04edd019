package io.outboxinbox.agent.source.outbox;

/**
 * Which rows of a table may have to be published.
 *
 * @param endedXid rows of transactions with a smaller id (64-bit) are published already; 0 when
 *     that is not known of any
 */
public record Candidates(boolean isNothing, long endedXid) {
  /** Every row. */
  public static final Candidates ALL = new Candidates(false, 0);

  /** No row. */
  public static final Candidates NONE = new Candidates(true, 0);

  /** Rows of transactions that had not ended at the bound. */
  public static Candidates notEndedAt(long endedXid) {
    return new Candidates(false, endedXid);
  }

  /** A condition on rows of the table, true for these. */
  public String condition() {
    return isNothing ? "false" : "NOT " + PassedRows.isPassed(endedXid);
  }
}
