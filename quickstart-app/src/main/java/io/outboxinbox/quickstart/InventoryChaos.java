package io.outboxinbox.quickstart;

import java.time.Duration;
import java.util.Random;

/**
 * When to disturb the inventory: every few seconds, by turns with a kill and with messages that
 * come again. Used by the main thread only.
 */
final class InventoryChaos {
  private static final Duration QUIET_MIN = Duration.ofSeconds(2);
  private static final Duration QUIET_MAX = Duration.ofSeconds(4);

  /** What may be done to it. */
  enum Act {
    NONE,
    KILL,
    REDELIVER
  }

  private final Random random;
  private Act last = Act.NONE;
  private long nextAt = Long.MAX_VALUE;

  InventoryChaos(long seed) {
    this.random = new Random(seed);
  }

  /**
   * What to do now.
   *
   * @param working whether it has done anything since the last act
   * @param now of {@link System#nanoTime()}
   */
  Act due(boolean working, long now) {
    if (nextAt == Long.MAX_VALUE && working) {
      long spread = QUIET_MAX.minus(QUIET_MIN).toNanos();
      nextAt = now + QUIET_MIN.toNanos() + (long) (random.nextDouble() * spread);
    }
    if (nextAt == Long.MAX_VALUE || now - nextAt < 0) {
      return Act.NONE;
    }
    nextAt = Long.MAX_VALUE;
    last = last == Act.KILL ? Act.REDELIVER : Act.KILL;
    return last;
  }
}
