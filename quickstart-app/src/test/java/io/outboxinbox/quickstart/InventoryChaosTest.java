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
  void killsAndRedeliversByTurnsEveryThreeToSixSeconds() {
    List<Act> acts = new ArrayList<>();
    List<Duration> pauses = new ArrayList<>();
    InventoryChaos chaos = new InventoryChaos(1, 0);
    Duration last = Duration.ZERO;
    for (Duration now = Duration.ZERO; now.toMinutes() < 10; now = now.plus(TICK)) {
      Act act = chaos.due(now.toNanos());
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
                pause.compareTo(Duration.ofSeconds(3)) >= 0
                    && pause.compareTo(Duration.ofSeconds(6).plus(TICK)) <= 0);
  }
}
