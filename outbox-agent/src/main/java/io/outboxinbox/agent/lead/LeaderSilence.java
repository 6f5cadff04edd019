package io.outboxinbox.agent.lead;

import java.time.Duration;
import java.util.function.LongSupplier;

/**
 * What a standby makes of the leader's signs of life: whether somebody leads, and for how long
 * nothing has been heard. Only its own clock counts; those of two hosts do not compare. Used by one
 * thread.
 */
final class LeaderSilence {
  private final Duration takeoverAfter;
  private final LongSupplier nanos;

  private long pulse = -1;
  private long heardNanos;
  private Duration length = Duration.ZERO;
  private boolean hasLooked;
  private boolean isFollowing;

  /**
   * Has heard nothing yet.
   *
   * @param nanos a clock that only goes forward
   */
  LeaderSilence(Duration takeoverAfter, LongSupplier nanos) {
    this.takeoverAfter = takeoverAfter;
    this.nanos = nanos;
    this.heardNanos = nanos.getAsLong();
  }

  /**
   * Looks at the last sign of life. The first look tells of no leader yet: whoever gave that sign
   * may be long gone.
   *
   * @return whether it is another than at the last look
   */
  boolean look(long lastPulse) {
    long now = nanos.getAsLong();
    boolean isNew = !hasLooked || lastPulse != pulse;
    if (isNew) {
      isFollowing = hasLooked;
      hasLooked = true;
      pulse = lastPulse;
      heardNanos = now;
    }
    length = Duration.ofNanos(now - heardNanos);
    if (isTooLong()) {
      isFollowing = false;
    }
    return isNew;
  }

  /** The last sign of life; -1 before the first look. */
  long lastPulse() {
    return pulse;
  }

  /** Whether another agent has been seen to lead, and not to have fallen silent. */
  boolean isFollowing() {
    return isFollowing;
  }

  /** From the last sign of life to the last look. */
  Duration length() {
    return length;
  }

  /** Whether the leader must make room, as of the last look. */
  boolean isTooLong() {
    return length().compareTo(takeoverAfter) > 0;
  }

  /** Waits as long again, for what was done about it. */
  void waitAgain() {
    heardNanos = nanos.getAsLong();
  }
}
