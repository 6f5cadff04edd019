package io.outboxinbox.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import org.junit.jupiter.api.Test;

class ManualClockTest {
  private static final Instant START = Instant.parse("2026-11-24T12:00:00Z");

  @Test
  void standsStillUntilMoved() {
    ManualClock clock = ManualClock.at(START);
    assertThat(clock.instant()).isEqualTo(START);
    clock.advance(Duration.ofMinutes(5));
    assertThat(clock.instant()).isEqualTo(START.plusSeconds(300));
    clock.advance(Duration.ofMinutes(-10));
    assertThat(clock.instant()).isEqualTo(START.minusSeconds(300));
    clock.set(START);
    assertThat(clock.millis()).isEqualTo(START.toEpochMilli());
  }

  @Test
  void movesItsViewsInOtherZonesToo() {
    ManualClock clock = ManualClock.at(START);
    ManualClock elsewhere = clock.withZone(ZoneId.of("Asia/Tokyo"));
    clock.advance(Duration.ofSeconds(1));
    assertThat(elsewhere.instant()).isEqualTo(clock.instant());
    assertThat(elsewhere.getZone()).isEqualTo(ZoneId.of("Asia/Tokyo"));
  }
}
