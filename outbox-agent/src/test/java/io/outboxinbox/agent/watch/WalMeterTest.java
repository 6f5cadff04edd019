package io.outboxinbox.agent.watch;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.source.slot.WalRoom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class WalMeterTest {
  private static final long MIB = 1 << 20;

  private final WalMeter meter = new WalMeter(0);

  private static WalRoom room(long retainedMib, long safeMib) {
    return new WalRoom(retainedMib * MIB, safeMib * MIB, false, 10, 10);
  }

  private static WalRoom unlimited(long retainedMib) {
    return new WalRoom(retainedMib * MIB, WalRoom.NO_LIMIT, false, 10, 10);
  }

  private static long seconds(long seconds) {
    return TimeUnit.SECONDS.toNanos(seconds);
  }

  @Test
  void measuresAgainstTheServersLimit() {
    WalBudget budget = meter.add(seconds(0), room(25, 75));
    assertThat(budget.budgetBytes()).isEqualTo(100 * MIB);
    assertThat(budget.usedRatio()).isEqualTo(0.25);
  }

  @Test
  void hasNoBudgetWithoutAnyLimit() {
    WalBudget budget = meter.add(seconds(0), unlimited(25));
    assertThat(budget.usedRatio()).isEqualTo(-1);
    assertThat(budget.secondsLeft()).isEqualTo(-1);
    assertThat(budget.warning()).isEmpty();
  }

  @Test
  void takesTheSmallerOfTwoLimits() {
    WalMeter configured = new WalMeter(50 * MIB);
    assertThat(configured.add(seconds(0), room(25, 75)).usedRatio()).isEqualTo(0.5);
    assertThat(configured.add(seconds(1), unlimited(40)).usedRatio()).isEqualTo(0.8);
    assertThat(configured.add(seconds(2), room(20, 5)).usedRatio()).isEqualTo(0.8);
  }

  @Test
  void aLostSlotHasUsedAllOfIt() {
    WalRoom lost = new WalRoom(0, WalRoom.NO_LIMIT, true, 10, 10);
    assertThat(meter.add(seconds(0), lost).usedRatio()).isEqualTo(1);
  }

  @Test
  void tellsHowLongItLastsAtTheGrowthOfTheLastMinutes() {
    meter.add(seconds(0), room(0, 1000));
    // Older than the window by the end, so this burst does not count any more.
    meter.add(seconds(10), room(400, 600));
    WalBudget budget = null;
    for (int i = 0; i <= 30; i++) {
      budget = meter.add(seconds(20 + 10 * i), room(400 + i, 600 - i));
    }
    assertThat(budget.growthBytesPerSecond()).isEqualTo(0.1 * MIB);
    assertThat(budget.secondsLeft()).isEqualTo(5700);
  }

  @Test
  void knowsNoEndWhileTheLogShrinks() {
    meter.add(seconds(0), room(100, 900));
    WalBudget budget = meter.add(seconds(10), room(50, 950));
    assertThat(budget.growthBytesPerSecond()).isZero();
    assertThat(budget.secondsLeft()).isEqualTo(-1);
  }

  @Test
  void doesNotTakeAGapForSlowGrowth() {
    meter.add(seconds(0), room(0, 1000));
    meter.reset();
    assertThat(meter.add(seconds(100), room(500, 500)).growthBytesPerSecond()).isZero();
  }

  @Test
  void takesTheTimeOfTheOldestTransaction() {
    assertThat(age(0, 10, 10)).isZero();
    assertThat(age(5, 10, 12)).isZero();
    assertThat(age(65, 10, 90)).isEqualTo(60);
    assertThat(age(70, 50, 90)).as("the next oldest").isZero();
    assertThat(age(80, 90, 90)).as("none").isZero();
  }

  private double age(long atSeconds, long oldestXid, long nextXid) {
    WalRoom room = new WalRoom(0, WalRoom.NO_LIMIT, false, oldestXid, nextXid);
    return meter.add(seconds(atSeconds), room).oldestTransactionSeconds();
  }
}
