package io.outboxinbox.agent.replay;

import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/** Spreads events over time, so that no second has more than its share. Used by one thread. */
final class Pace {
  /** So many portions a second: small enough to be even, large enough to be sent in batches. */
  private static final int PORTIONS_PER_SECOND = 10;

  private final long perSecond;
  private final LongSupplier nanos;
  private long dueNanos;

  /**
   * Starts now.
   *
   * @param perSecond events, at least 1
   * @param nanos as {@link System#nanoTime}
   */
  Pace(int perSecond, LongSupplier nanos) {
    this.perSecond = perSecond;
    this.nanos = nanos;
    this.dueNanos = nanos.getAsLong();
  }

  /** How many events may be sent in one go. */
  int portion() {
    return (int) Math.max(1, perSecond / PORTIONS_PER_SECOND);
  }

  /**
   * Takes note that events are about to be sent. What was not used while somebody was slow is not
   * made up for: a pause must not be followed by a flood.
   *
   * @return nanoseconds to wait before they may go
   */
  long waitBefore(int events) {
    long now = nanos.getAsLong();
    long wait = Math.max(0, dueNanos - now);
    dueNanos = now + wait + TimeUnit.SECONDS.toNanos(events) / perSecond;
    return wait;
  }
}
