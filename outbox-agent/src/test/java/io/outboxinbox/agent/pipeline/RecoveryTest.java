package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.configure.PipelineConfiguration.RetryConfiguration;
import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.Test;

class RecoveryTest {
  private static final Duration INITIAL = Duration.ofMillis(100);
  private static final Duration PROVEN_AFTER = Duration.ofSeconds(30);

  private final Recovery recovery =
      new Recovery(
          new Backoff(new RetryConfiguration(INITIAL, Duration.ofMinutes(1)), new Random(7)),
          PROVEN_AFTER);

  @Test
  void tellsTheSameTroubleOnce() {
    assertThat(recovery.after("broker away").isNews()).isTrue();
    assertThat(recovery.after("broker away").isNews()).isFalse();
    assertThat(recovery.after("database away").isNews()).isTrue();
    assertThat(recovery.after("broker away").isNews()).isTrue();
  }

  @Test
  void tellsTheSameTroubleAgainWhenItHadBeenWellInBetween() {
    recovery.after("broker away");
    recovery.led(Duration.ofMillis(1), false);
    assertThat(recovery.after("broker away").isNews()).isTrue();
  }

  @Test
  void startsWithAShortWaitAgainOnceItHasPublished() {
    failOften();
    recovery.led(Duration.ofMillis(1), true);
    assertThat(recovery.after("x").pause()).isLessThanOrEqualTo(INITIAL);
  }

  @Test
  void startsWithAShortWaitAgainAfterLeadingForLongWithNothingToDo() {
    failOften();
    recovery.led(PROVEN_AFTER, false);
    assertThat(recovery.after("x").pause()).isLessThanOrEqualTo(INITIAL);
  }

  @Test
  void waitsLongerAndLongerForAFailureThatComesAtEachBeginning() {
    failOften();
    recovery.led(PROVEN_AFTER.minusMillis(1), false);
    assertThat(recovery.after("x").pause()).isGreaterThan(INITIAL.multipliedBy(4));
  }

  private void failOften() {
    for (int i = 0; i < 5; i++) {
      recovery.after("x");
    }
  }
}
