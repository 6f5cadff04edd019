package io.outboxinbox.agent.source.outbox;

/**
 * Which rows a position has passed, by the transactions that wrote them. A row keeps its raw xmin
 * when it is frozen. One so old that its number has come round again looks young, and then it only
 * counts as not passed.
 */
public final class PassedRows {
  /** The first number that is no special one: every row looks younger than the special ones. */
  private static final long FIRST_XID = 3;

  private PassedRows() {}

  /**
   * A condition on rows of the outbox, true where the transaction had ended.
   *
   * @param endedXid of the position (64-bit): every transaction with a smaller number had ended; 0
   *     when that is not known of any
   */
  public static String isPassed(long endedXid) {
    // 32 bits of it are what a row shows.
    return endedXid == 0
        ? "false"
        : "age(xmin) > age('%d'::xid)".formatted(Math.max(FIRST_XID, endedXid & 0xFFFFFFFFL));
  }
}
