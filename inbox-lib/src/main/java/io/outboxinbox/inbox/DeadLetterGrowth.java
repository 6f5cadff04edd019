package io.outboxinbox.inbox;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.LongSupplier;

/**
 * Watches how fast dead letters grow. Whoever counts them now and then tells the count; the
 * listener is called once when they have grown by the threshold or more within the period, and
 * again only after the growth has been below it.
 *
 * <p>Any thread may tell counts; the listener runs on that thread.
 */
public final class DeadLetterGrowth {
  /** Coarse enough to keep few counts, fine enough that the period is met to within 2 %. */
  private static final int COUNTS_PER_PERIOD = 60;

  /** Hears of growth. */
  @FunctionalInterface
  public interface GrowthListener {
    /**
     * Must return soon and not throw.
     *
     * @param count how many there are now
     * @param grownBy how many more than at the lowest within the period
     */
    void grown(long count, long grownBy, Duration within);
  }

  private record Count(long nanoTime, long count) {}

  private final long threshold;
  private final Duration period;
  private final GrowthListener listener;
  private final LongSupplier nanoTime;

  /** Oldest first. */
  private final Deque<Count> counts = new ArrayDeque<>();

  private boolean isGrown;

  /**
   * Begins to watch; the first count is what growth is measured from.
   *
   * @param threshold 1 or more
   * @param period positive
   */
  public DeadLetterGrowth(long threshold, Duration period, GrowthListener listener) {
    this(threshold, period, listener, System::nanoTime);
  }

  DeadLetterGrowth(
      long threshold, Duration period, GrowthListener listener, LongSupplier nanoTime) {
    if (threshold < 1 || period.isNegative() || period.isZero()) {
      throw new InboxException.Misconfigured(
          "growth of dead letters has threshold " + threshold + " and period " + period,
          "use a threshold of 1 or more and a positive period");
    }
    this.threshold = threshold;
    this.period = period;
    this.listener = listener;
    this.nanoTime = nanoTime;
  }

  /** Tells how many there are now. */
  public void counted(long count) {
    long grownBy = growth(count);
    if (grownBy >= threshold) {
      listener.grown(count, grownBy, period);
    }
  }

  /** How much they have grown; 0 where the listener knows already. */
  private synchronized long growth(long count) {
    long now = nanoTime.getAsLong();
    while (!counts.isEmpty() && now - counts.getFirst().nanoTime() > period.toNanos()) {
      counts.removeFirst();
    }
    long lowest = count;
    for (Count earlier : counts) {
      lowest = Math.min(lowest, earlier.count());
    }
    if (counts.isEmpty()
        || count < counts.getLast().count()
        || now - counts.getLast().nanoTime() >= period.toNanos() / COUNTS_PER_PERIOD) {
      counts.addLast(new Count(now, count));
    }
    boolean wasGrown = isGrown;
    isGrown = count - lowest >= threshold;
    return isGrown && !wasGrown ? count - lowest : 0;
  }
}
