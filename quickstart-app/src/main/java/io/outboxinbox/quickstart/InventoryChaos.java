package io.outboxinbox.quickstart;

import java.time.Duration;
import java.util.Random;

/**
 * When to disturb the inventory: every few seconds, by turns with a kill and with messages that
 * come again. Used by the main thread only.
 */
final class InventoryChaos {
  private static final Duration QUIET_MIN = Duration.ofSeconds(3);
  private static final Duration QUIET_MAX = Duration.ofSeconds(6);

  /** What may be done to it. */
  enum Act {
    NONE,
    KILL,
    REDELIVER
  }

  private final Random random;
  private Act last = Act.NONE;
  private long nextAt;

  /**
   * Begins.
   *
   * @param now of {@link System#nanoTime()}, as everywhere here
   */
  InventoryChaos(long seed, long now) {
    this.random = new Random(seed);
    quiet(now);
  }

  /** What to do now; the next act is due some seconds later. */
  Act due(long now) {
    if (now - nextAt < 0) {
      return Act.NONE;
    }
    quiet(now);
    last = last == Act.KILL ? Act.REDELIVER : Act.KILL;
    return last;
  }

  private void quiet(long now) {
    long spread = QUIET_MAX.minus(QUIET_MIN).toNanos();
    nextAt = now + QUIET_MIN.toNanos() + (long) (random.nextDouble() * spread);
  }
}
