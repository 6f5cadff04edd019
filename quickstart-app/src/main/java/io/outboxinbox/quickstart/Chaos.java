package io.outboxinbox.quickstart;

import java.time.Duration;
import java.util.Random;

/**
 * When to kill: most often a few seconds after the agent has caught up, now and then while it is
 * still starting. Used by the main thread only.
 */
final class Chaos {
  private static final Duration QUIET_MIN = Duration.ofSeconds(5);
  private static final Duration QUIET_MAX = Duration.ofSeconds(8);
  private static final Duration STARTING_MAX = Duration.ofSeconds(4);
  private static final int WHILE_STARTING_ONE_IN = 4;

  private final Random random;
  private long killAt = Long.MAX_VALUE;
  private boolean whileStarting;

  Chaos(long seed) {
    this.random = new Random(seed);
  }

  /**
   * Decides whether to kill now.
   *
   * @param caughtUp whether events come through without a backlog
   * @param now of {@link System#nanoTime()}, as everywhere here
   * @return true to kill at once
   */
  boolean isDue(boolean caughtUp, long now) {
    if (killAt == Long.MAX_VALUE && caughtUp) {
      killAt = now + between(QUIET_MIN, QUIET_MAX);
    }
    return killAt != Long.MAX_VALUE && now - killAt >= 0;
  }

  /** The agent was killed and started again, by whomever. */
  void restarted(long now) {
    // Never twice in a row, or it might never come up.
    whileStarting = !whileStarting && random.nextInt(WHILE_STARTING_ONE_IN) == 0;
    killAt = whileStarting ? now + between(Duration.ZERO, STARTING_MAX) : Long.MAX_VALUE;
  }

  private long between(Duration min, Duration max) {
    return min.toNanos() + (long) (random.nextDouble() * max.minus(min).toNanos());
  }
}
