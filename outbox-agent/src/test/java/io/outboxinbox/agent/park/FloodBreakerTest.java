package io.outboxinbox.agent.park;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class FloodBreakerTest {
  private long now;
  private final FloodBreaker breaker = new FloodBreaker(3, () -> now);

  @Test
  void letsAMinutesWorthThroughAndThenNone() {
    assertThat(admitted(3)).isEqualTo(3);
    assertThat(breaker.admits()).isFalse();
  }

  @Test
  void letsThroughForEverWhatComesSlowly() {
    for (int i = 0; i < 100; i++) {
      assertThat(breaker.admits()).isTrue();
      pass(Duration.ofSeconds(21));
    }
  }

  @Test
  void letsNothingMoreThroughInLaterSessions() {
    admitted(4);
    for (int session = 0; session < 10; session++) {
      pass(Duration.ofMinutes(5));
      breaker.beginSession();
      breaker.progressed();
      assertThat(breaker.admits()).isFalse();
    }
  }

  @Test
  void trustsAgainAfterAMinuteOfProgressWithoutARejectedEvent() {
    admitted(4);
    breaker.beginSession();
    breaker.progressed();
    pass(Duration.ofSeconds(59));
    breaker.progressed();
    pass(Duration.ofSeconds(1));
    breaker.progressed();
    assertThat(admitted(3)).isEqualTo(3);
    assertThat(breaker.admits()).isFalse();
  }

  @Test
  void takesNoTimeForProgressInWhichNothingMoved() {
    admitted(4);
    breaker.beginSession();
    breaker.progressed();
    pass(Duration.ofMinutes(2));
    breaker.beginSession();
    breaker.progressed();
    assertThat(breaker.admits()).isFalse();
  }

  private int admitted(int tries) {
    int admitted = 0;
    for (int i = 0; i < tries; i++) {
      admitted += breaker.admits() ? 1 : 0;
    }
    return admitted;
  }

  private void pass(Duration time) {
    now += time.toNanos();
  }
}
