package io.outboxinbox.quickstart.proof;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class LatencyTest {
  private final Latency latency = new Latency();

  @Test
  void reportsPercentilesOfWhatItWasGiven() {
    for (int n = 1; n <= 100; n++) {
      latency.received(millis(1_000), millis(1_000 + n));
    }

    LatencyReport.Figures figures = latency.report().received();
    assertThat(figures.count()).isEqualTo(100);
    assertThat(figures.p50Millis()).isCloseTo(50, within(0.2));
    assertThat(figures.p99Millis()).isCloseTo(99, within(0.2));
    assertThat(figures.maxMillis()).isCloseTo(100, within(0.2));
  }

  @Test
  void countsACommitThatBecameKnownAfterTheArrivalAsNoTime() {
    latency.received(millis(5), millis(4));

    assertThat(latency.report().received().maxMillis()).isZero();
  }

  @Test
  void leavesOutTheWarmUpWhichBeginsWithTheFirstQuickEvent() {
    latency.starting(millis(0));
    latency.received(millis(10), millis(3_000));
    assertThat(latency.caughtUp()).isFalse();
    latency.received(millis(3_000), millis(3_010));
    assertThat(latency.caughtUp()).isTrue();
    latency.received(millis(8_000), millis(8_010));
    assertThat(latency.report().received().count()).isZero();

    latency.received(millis(8_011), millis(8_020));

    LatencyReport report = latency.report();
    assertThat(report.received().count()).isOne();
    assertThat(report.leftOut()).isEqualTo(3);
    assertThat(report.interval().count()).isEqualTo(4);
    assertThat(report.recoveries().count()).isZero();
  }

  @Test
  void leavesOutEverythingFromAKillUntilTheBacklogHasBeenGoneForAWhile() {
    latency.starting(millis(0));
    latency.received(millis(1), millis(2));
    latency.disturbed(millis(20_000));
    // Committed before the kill, arrived after it.
    latency.received(millis(19_999), millis(23_000));
    latency.received(millis(22_000), millis(23_000));
    assertThat(latency.caughtUp()).isFalse();
    latency.received(millis(23_000), millis(23_010));
    assertThat(latency.caughtUp()).isTrue();
    latency.received(millis(25_000), millis(25_005));
    assertThat(latency.report().received().count()).isZero();

    latency.received(millis(25_011), millis(25_020));

    assertThat(latency.report().received().count()).isOne();
    assertThat(latency.report().recoveries().maxMillis()).isCloseTo(3_010, within(5.0));
  }

  @Test
  void timesARecoveryFromTheFirstOfSeveralKills() {
    latency.starting(millis(0));
    latency.received(millis(1), millis(2));
    latency.disturbed(millis(20_000));
    latency.disturbed(millis(21_000));
    latency.received(millis(25_000), millis(25_010));

    LatencyReport.Figures recoveries = latency.report().recoveries();
    assertThat(recoveries.count()).isOne();
    assertThat(recoveries.maxMillis()).isCloseTo(5_010, within(8.0));
  }

  @Test
  void leavesEffectsOutAfterAKillOfTheInventoryButNotEvents() {
    latency.effectsDisturbed(millis(1_000));
    latency.received(millis(1_100), millis(1_110));
    latency.applied(millis(1_100), millis(3_000));
    latency.applied(millis(3_000), millis(3_010));
    latency.applied(millis(5_000), millis(5_005));
    assertThat(latency.report().applied().count()).isZero();
    assertThat(latency.report().received().count()).isOne();

    latency.applied(millis(5_011), millis(5_020));
    assertThat(latency.report().applied().count()).isOne();
  }

  @Test
  void beginsANewIntervalWithoutForgettingTheWhole() {
    latency.received(millis(1), millis(2));
    latency.startInterval();

    assertThat(latency.report().interval().count()).isZero();
    assertThat(latency.report().received().count()).isOne();
  }

  private static long millis(long millis) {
    return Duration.ofMillis(millis).toNanos();
  }
}
