package io.outboxinbox.agent.watch;

/**
 * How long the slot can wait: whatever is not read the server has to keep.
 *
 * @param budgetBytes how much log the slot may hold back, by {@code max_slot_wal_keep_size} or
 *     {@code wal.budgetBytes}, whichever ends first; -1 without a limit or if not known
 * @param usedRatio part of the budget that is used, 1 when the slot is lost; -1 without a budget
 * @param growthBytesPerSecond of what is held back, over the last minutes; 0 while it shrinks
 * @param secondsLeft until the budget is used at that growth; -1 when it does not grow or there is
 *     no budget
 * @param oldestTransactionSeconds for how long, at least, the oldest running transaction of the
 *     whole server has been open; it holds the log back whatever the agent does
 */
public record WalBudget(
    long budgetBytes,
    double usedRatio,
    double growthBytesPerSecond,
    double secondsLeft,
    double oldestTransactionSeconds) {
  public static final WalBudget UNKNOWN = new WalBudget(-1, -1, 0, -1, 0);

  /** Nothing is urgent below this. */
  static final double FIRST_ALARM = 0.5;

  /** From here on there may be only hours left. */
  static final double SECOND_ALARM = 0.8;

  /** What to say to people; empty while less than half is used. */
  public String warning() {
    if (usedRatio < FIRST_ALARM) {
      return "";
    }
    String left =
        secondsLeft < 0
            ? "and does not grow now"
            : "and lasts for %d more minutes at the present rate"
                .formatted((long) secondsLeft / 60);
    return "the log kept for the slot has used %d %% of its %d MiB, %s: at the limit the slot is lost or the disk full; get the agent to publish, end old transactions, or raise max_slot_wal_keep_size"
        .formatted(Math.round(usedRatio * 100), budgetBytes >> 20, left);
  }
}
