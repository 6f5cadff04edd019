package io.outboxinbox.agent.park;

import java.util.function.LongSupplier;

/**
 * Tells single bad events, which are parked, from a flood of them, which means that something is
 * wrong with a topic, the broker or a release of the application: parking would then only move the
 * outbox to another table. Outlives sessions; used by the pipeline's thread.
 */
public final class FloodBreaker {
  private static final long MINUTE_NANOS = 60_000_000_000L;

  private final LongSupplier nanos;

  /** When the last events were let through, in a ring as long as the limit. */
  private final long[] times;

  private int next;
  private int count;
  private boolean isTripped;
  private boolean isQuiet;
  private long quietSince;

  /**
   * Makes a breaker that lets events through.
   *
   * @param perMinute so many events may be parked within a minute
   * @param nanos a clock that only goes forward
   */
  public FloodBreaker(int perMinute, LongSupplier nanos) {
    this.times = new long[perMinute];
    this.nanos = nanos;
  }

  /**
   * Asks for one more rejected event; what waits behind one does not count.
   *
   * @return whether it may be parked; once refused, every one is until {@link #progressed} has seen
   *     a minute without any. Otherwise each new session would let a minute's worth through.
   */
  public boolean admits() {
    isQuiet = false;
    if (isTripped) {
      return false;
    }
    long now = nanos.getAsLong();
    if (count == times.length && now - times[next] < MINUTE_NANOS) {
      isTripped = true;
      return false;
    }
    times[next] = now;
    next = (next + 1) % times.length;
    count = Math.min(count + 1, times.length);
    return true;
  }

  /** A session begins: time before it was no progress. */
  public void beginSession() {
    isQuiet = false;
  }

  /** The position has moved on. */
  public void progressed() {
    if (!isTripped) {
      return;
    }
    long now = nanos.getAsLong();
    if (!isQuiet) {
      isQuiet = true;
      quietSince = now;
    } else if (now - quietSince >= MINUTE_NANOS) {
      isTripped = false;
      count = 0;
    }
  }

  public int perMinute() {
    return times.length;
  }
}
