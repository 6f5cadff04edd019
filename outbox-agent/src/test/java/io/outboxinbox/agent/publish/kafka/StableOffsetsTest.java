package io.outboxinbox.agent.publish.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;

class StableOffsetsTest {
  private final StableOffsets<String> offsets = new StableOffsets<>();

  private Duration look(long atSeconds, long stable, long end) {
    return offsets.look(
        Duration.ofSeconds(atSeconds).toNanos(), Map.of("order-0", stable), Map.of("order-0", end));
  }

  @Test
  void tellsForHowLongAnOffsetHasStoodStillBeforeTheEnd() {
    assertThat(look(0, 5, 9)).as("first seen").isZero();
    assertThat(look(30, 5, 9)).isEqualTo(Duration.ofSeconds(30));
    assertThat(look(60, 5, 40)).isEqualTo(Duration.ofSeconds(60));
  }

  @Test
  void anOffsetThatMovesOnIsWell() {
    look(0, 5, 9);
    assertThat(look(30, 7, 20)).isZero();
    assertThat(look(60, 20, 20)).isZero();
  }

  @Test
  void anIdlePartitionIsWell() {
    look(0, 5, 5);
    assertThat(look(30, 5, 5)).isZero();
  }

  @Test
  void forgetsAStandstillThatHasEnded() {
    look(0, 5, 9);
    assertThat(look(30, 9, 9)).isZero();
    assertThat(look(60, 9, 12)).isZero();
    assertThat(look(90, 9, 12)).isEqualTo(Duration.ofSeconds(30));
  }

  @Test
  void theWorstPartitionCounts() {
    offsets.look(0, Map.of("a", 1L, "b", 1L), Map.of("a", 2L, "b", 1L));
    long now = Duration.ofSeconds(30).toNanos();
    assertThat(offsets.look(now, Map.of("a", 1L, "b", 1L), Map.of("a", 2L, "b", 2L)))
        .isEqualTo(Duration.ofSeconds(30));
  }
}
