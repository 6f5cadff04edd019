package io.outboxinbox.agent.pipeline;

import java.time.Duration;
import java.util.StringJoiner;

/**
 * How long each step of a start took: whoever wonders about a slow takeover finds the step in the
 * log. Used by one thread.
 */
final class StepTimes {
  private final long startNanos = System.nanoTime();
  private final StringJoiner steps = new StringJoiner(", ");
  private long stepNanos = startNanos;

  /** Names what has just been done. */
  void done(String step) {
    long now = System.nanoTime();
    steps.add(step + " " + (now - stepNanos) / 1_000_000 + " ms");
    stepNanos = now;
  }

  Duration total() {
    return Duration.ofNanos(System.nanoTime() - startNanos);
  }

  @Override
  public String toString() {
    return steps.toString();
  }
}
