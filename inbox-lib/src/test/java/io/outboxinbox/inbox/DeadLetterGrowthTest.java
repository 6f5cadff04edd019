package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class DeadLetterGrowthTest {
  private static final Duration PERIOD = Duration.ofMinutes(10);

  private long now = 5;
  private final List<String> calls = new ArrayList<>();
  private final DeadLetterGrowth growth =
      new DeadLetterGrowth(
          10,
          PERIOD,
          (count, grownBy, within) -> calls.add(count + " +" + grownBy + " in " + within),
          () -> now);

  @Test
  void callsOnceForEachTimeTheThresholdIsPassed() {
    growth.counted(100);
    growth.counted(109);
    assertThat(calls).isEmpty();
    growth.counted(110);
    growth.counted(150);
    assertThat(calls).containsExactly("110 +10 in PT10M");
    now += PERIOD.plusSeconds(1).toNanos();
    growth.counted(150);
    growth.counted(161);
    assertThat(calls).containsExactly("110 +10 in PT10M", "161 +11 in PT10M");
  }

  @Test
  void keepsSilentWhereGrowthIsSlowOrOld() {
    for (int i = 0; i < 100; i++) {
      growth.counted(i);
      now += Duration.ofMinutes(2).toNanos();
    }
    assertThat(calls).isEmpty();
  }

  @Test
  void measuresFromTheLowestCount() {
    growth.counted(100);
    growth.counted(1);
    growth.counted(11);
    assertThat(calls).containsExactly("11 +10 in PT10M");
  }

  @Test
  void refusesSettingsThatMeanNothing() {
    assertThatThrownBy(() -> new DeadLetterGrowth(0, PERIOD, (count, by, within) -> {}))
        .isInstanceOf(InboxException.Misconfigured.class)
        .hasMessageContaining("threshold 0");
    assertThatThrownBy(() -> new DeadLetterGrowth(1, Duration.ZERO, (count, by, within) -> {}))
        .isInstanceOf(InboxException.Misconfigured.class);
  }
}
