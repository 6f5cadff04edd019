package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import java.time.Duration;
import java.util.random.RandomGenerator;

/** Waiting times between tries: doubling, with jitter so that agents do not try in step. */
final class Backoff {
  private final Duration initial;
  private final Duration max;
  private final RandomGenerator random;
  private Duration next;

  Backoff(PipelineConfiguration.RetryConfiguration retry, RandomGenerator random) {
    this.initial = retry.initial();
    this.max = retry.max();
    this.random = random;
    this.next = initial;
  }

  /** Between half and all of the current step, which doubles up to the maximum. */
  Duration next() {
    long millis = next.toMillis();
    next = Duration.ofMillis(Math.min(max.toMillis(), millis * 2));
    return Duration.ofMillis(millis / 2 + random.nextLong(millis / 2 + 1));
  }

  void reset() {
    next = initial;
  }
}
