package io.outboxinbox.quickstart;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ChaosTest {
  private static final long TICK = Duration.ofMillis(50).toNanos();
  private static final int TICKS = 20_000;

  @Test
  void killsNothingThatHasNeverCaughtUp() {
    Chaos chaos = new Chaos(1);

    for (int tick = 0; tick < TICKS; tick++) {
      assertThat(chaos.isDue(false, tick * TICK)).isFalse();
    }
  }

  @Test
  void killsFiveToEightSecondsAfterCatchingUpAndSometimesEarlierWhileStarting() {
    List<Duration> pauses = pauses(1);

    assertThat(pauses).hasSizeGreaterThan(100);
    assertThat(pauses)
        .allMatch(pause -> pause.compareTo(Duration.ofSeconds(8).plusNanos(TICK)) <= 0);
    assertThat(pauses).anyMatch(pause -> pause.compareTo(Duration.ofSeconds(4)) < 0);
    assertThat(pauses).anyMatch(pause -> pause.compareTo(Duration.ofSeconds(5)) > 0);
  }

  @Test
  void repeatsItselfWithTheSameSeed() {
    assertThat(pauses(7)).isEqualTo(pauses(7)).isNotEqualTo(pauses(8));
  }

  /** Time between kills if the agent needs no time to catch up. */
  private static List<Duration> pauses(long seed) {
    Chaos chaos = new Chaos(seed);
    List<Duration> pauses = new ArrayList<>();
    long last = 0;
    for (int tick = 0; tick < TICKS; tick++) {
      long now = tick * TICK;
      if (chaos.isDue(true, now)) {
        pauses.add(Duration.ofNanos(now - last));
        last = now;
        chaos.restarted(now);
      }
    }
    return pauses;
  }
}
