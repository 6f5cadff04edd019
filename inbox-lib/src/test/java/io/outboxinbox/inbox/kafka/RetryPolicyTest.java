package io.outboxinbox.inbox.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.inbox.InboxException;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class RetryPolicyTest {
  private final RetryPolicy policy =
      new RetryPolicy(5, Duration.ofMillis(100), Duration.ofSeconds(1), 0.5);

  @Test
  void doublesThePauseUpToTheLongest() {
    assertThat(policy.pauseAfter(1, 0)).isEqualTo(Duration.ofMillis(100));
    assertThat(policy.pauseAfter(2, 0)).isEqualTo(Duration.ofMillis(200));
    assertThat(policy.pauseAfter(4, 0)).isEqualTo(Duration.ofMillis(800));
    assertThat(policy.pauseAfter(5, 0)).isEqualTo(Duration.ofSeconds(1));
    assertThat(policy.pauseAfter(Integer.MAX_VALUE, 0)).isEqualTo(Duration.ofSeconds(1));
  }

  @Test
  void leavesTheJittersShareToChance() {
    assertThat(policy.pauseAfter(1, 1)).isEqualTo(Duration.ofMillis(50));
    assertThat(policy.pauseAfter(1, 0.5)).isEqualTo(Duration.ofMillis(75));
  }

  @Test
  void takesNoPauseWhereNoneIsWanted() {
    assertThat(new RetryPolicy(2, Duration.ZERO, Duration.ZERO, 0).pauseAfter(7)).isZero();
  }

  /** As the README says: longer than a neighbour takes that starts anew. */
  @Test
  void triesTenTimesWithinAboutAMinute() {
    RetryPolicy defaults = RetryPolicy.defaults();
    assertThat(defaults.attemptsMax()).isEqualTo(10);
    Duration longest = Duration.ZERO;
    Duration shortest = Duration.ZERO;
    for (int failures = 1; failures < defaults.attemptsMax(); failures++) {
      longest = longest.plus(defaults.pauseAfter(failures, 0));
      shortest = shortest.plus(defaults.pauseAfter(failures, 1));
    }
    assertThat(longest).isBetween(Duration.ofSeconds(60), Duration.ofSeconds(120));
    assertThat(shortest).isBetween(Duration.ofSeconds(30), Duration.ofSeconds(60));
  }

  @Test
  void refusesWhatMakesNoSense() {
    assertThatThrownBy(() -> policy.withAttemptsMax(0))
        .isInstanceOf(InboxException.Misconfigured.class)
        .hasMessageContaining("attemptsMax is 0");
    assertThatThrownBy(() -> new RetryPolicy(1, Duration.ofSeconds(2), Duration.ofSeconds(1), 0))
        .hasMessageContaining("PT2S");
    assertThatThrownBy(() -> new RetryPolicy(1, Duration.ZERO, Duration.ZERO, Double.NaN))
        .hasMessageContaining("NaN");
  }
}
