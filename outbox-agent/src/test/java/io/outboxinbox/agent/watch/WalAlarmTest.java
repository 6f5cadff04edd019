package io.outboxinbox.agent.watch;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class WalAlarmTest {
  private static final long BUDGET_BYTES = 1L << 30;

  private final WalAlarm alarm = new WalAlarm();

  private boolean isRaisedAt(double used) {
    return alarm.level(new WalBudget(BUDGET_BYTES, used, 0, -1, 0)).isPresent();
  }

  @Test
  void warnsOnceAtEachLevel() {
    assertThat(isRaisedAt(0.49)).isFalse();
    assertThat(isRaisedAt(0.5)).isTrue();
    assertThat(isRaisedAt(0.6)).isFalse();
    assertThat(isRaisedAt(0.8)).isTrue();
    assertThat(isRaisedAt(0.99)).isFalse();
  }

  @Test
  void warnsAtOnceOfTheSecondLevelWhenTheFirstWasSkipped() {
    assertThat(isRaisedAt(0.9)).isTrue();
    assertThat(isRaisedAt(0.6)).isFalse();
  }

  @Test
  void warnsAgainOnlyAfterARealFall() {
    assertThat(isRaisedAt(0.5)).isTrue();
    assertThat(isRaisedAt(0.45)).isFalse();
    assertThat(isRaisedAt(0.5)).isFalse();
    assertThat(isRaisedAt(0.3)).isFalse();
    assertThat(isRaisedAt(0.5)).isTrue();
  }

  @Test
  void isSilentWithoutABudget() {
    assertThat(isRaisedAt(-1)).isFalse();
  }

  @Test
  void saysHowMuchIsUsedAndHowLongItLasts() {
    assertThat(new WalBudget(BUDGET_BYTES, 0.625, 1, 5400, 0).warning())
        .contains("63 % of its 1024 MiB", "90 more minutes", "max_slot_wal_keep_size");
    assertThat(new WalBudget(BUDGET_BYTES, 0.625, 0, -1, 0).warning())
        .contains("does not grow now");
  }
}
