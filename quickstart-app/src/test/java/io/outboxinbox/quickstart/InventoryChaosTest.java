package io.outboxinbox.quickstart;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.quickstart.InventoryChaos.Act;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class InventoryChaosTest {
  private static final Duration TICK = Duration.ofMillis(50);

  @Test
  void leavesAloneWhatHasNotGotBackToWork() {
    InventoryChaos chaos = new InventoryChaos(1);
    for (int second = 0; second < 1_000; second++) {
      assertThat(chaos.due(false, Duration.ofSeconds(second).toNanos())).isEqualTo(Act.NONE);
    }
  }

  @Test
  void killsAndRedeliversByTurnsTwoToFourSecondsAfterItWorks() {
    List<Act> acts = new ArrayList<>();
    List<Duration> pauses = new ArrayList<>();
    InventoryChaos chaos = new InventoryChaos(1);
    Duration last = Duration.ZERO;
    for (Duration now = Duration.ZERO; now.toMinutes() < 10; now = now.plus(TICK)) {
      Act act = chaos.due(true, now.toNanos());
      if (act != Act.NONE) {
        acts.add(act);
        pauses.add(now.minus(last));
        last = now;
      }
    }
    assertThat(acts).hasSizeGreaterThan(90).startsWith(Act.KILL, Act.REDELIVER, Act.KILL);
    assertThat(acts.stream().filter(Act.KILL::equals).count())
        .isBetween(acts.size() / 2L, acts.size() / 2L + 1);
    assertThat(pauses)
        .allMatch(
            pause ->
                pause.compareTo(Duration.ofSeconds(2)) >= 0
                    && pause.compareTo(Duration.ofSeconds(4).plus(TICK)) <= 0);
  }
}
