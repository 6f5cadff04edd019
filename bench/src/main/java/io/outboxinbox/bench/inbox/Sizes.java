package io.outboxinbox.bench.inbox;

/**
 * How much is done.
 *
 * @param rounds of each side of a comparison
 * @param transactions of one message in a round
 * @param batches of 100 messages in a round
 * @param cachedAnswers in a round
 * @param datedIds over the thirty days
 * @param foreignIds for comparison
 * @param numberedMessages for the watermark
 */
record Sizes(
    int rounds,
    int transactions,
    int batches,
    int cachedAnswers,
    int datedIds,
    int foreignIds,
    int numberedMessages) {
  /** What the goals speak of. */
  static Sizes full() {
    return new Sizes(31, 1_000, 50, 500_000, 20_000_000, 2_000_000, 2_000_000);
  }

  /** A minute, to see whether a change is worth the full run. */
  static Sizes quick() {
    return new Sizes(11, 500, 20, 200_000, 1_000_000, 200_000, 200_000);
  }

  Sizes withDatedIds(int number) {
    return new Sizes(
        rounds, transactions, batches, cachedAnswers, number, foreignIds, numberedMessages);
  }
}
