package io.outboxinbox.quickstart.proof;

/**
 * What happened to the events so far.
 *
 * @param committed by the order service
 * @param rolledBack transactions that had written an event and were given up
 * @param published different events visible in the topic to read_committed readers
 * @param consumed different events the inventory has committed
 * @param duplicates events that were visible twice or took effect twice
 * @param redelivered messages the inventory was given again on purpose
 * @param passedOver events that are missing although much later ones are here
 * @param neverCommitted events that arrived though nobody committed them; certain only at the end
 * @param outOfOrder events that came before their predecessor of the same key
 * @param wrongId events that arrived under another id than they were written with
 */
public record Tally(
    long committed,
    long rolledBack,
    long published,
    long consumed,
    long duplicates,
    long redelivered,
    long passedOver,
    long neverCommitted,
    long outOfOrder,
    long wrongId,
    LatencyReport latency) {

  /** Committed and not yet consumed. */
  public long lag() {
    return Math.max(0, committed - consumed);
  }

  /** Everything that was committed is visible and consumed. */
  public boolean drained() {
    return published >= committed && consumed >= committed;
  }
}
