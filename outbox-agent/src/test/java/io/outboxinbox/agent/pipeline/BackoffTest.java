package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.configure.PipelineConfiguration.RetryConfiguration;
import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.Test;

class BackoffTest {
  private static final Duration INITIAL = Duration.ofMillis(100);
  private static final Duration MAX = Duration.ofSeconds(2);

  @Test
  void doublesWithJitterUpToTheMaximumAndStartsOverAfterReset() {
    Backoff backoff = new Backoff(new RetryConfiguration(INITIAL, MAX), new Random(7));
    for (long step : new long[] {100, 200, 400, 800, 1600, 2000, 2000}) {
      assertThat(backoff.next()).isBetween(Duration.ofMillis(step / 2), Duration.ofMillis(step));
    }
    backoff.reset();
    assertThat(backoff.next()).isBetween(INITIAL.dividedBy(2), INITIAL);
  }
}
