package io.outboxinbox.agent.lead;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.testkit.ManualClock;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;

class LeaderSilenceTest {
  private static final Duration TAKEOVER_AFTER = Duration.ofSeconds(10);

  private final ManualClock clock = ManualClock.at(Instant.parse("2026-11-30T12:00:00Z"));
  private final LeaderSilence silence = new LeaderSilence(TAKEOVER_AFTER, clock::nanoTime);

  @Test
  void followsNobodyBeforeASecondSignOfLife() {
    assertThat(silence.look(7)).as("whoever gave it may be long gone").isTrue();
    assertThat(silence.isFollowing()).isFalse();
    clock.advance(Duration.ofSeconds(1));
    assertThat(silence.look(7)).isFalse();
    assertThat(silence.isFollowing()).isFalse();
    assertThat(silence.look(8)).isTrue();
    assertThat(silence.isFollowing()).isTrue();
  }

  @Test
  void followsALeaderUntilItIsSilentForTooLong() {
    silence.look(7);
    silence.look(8);
    clock.advance(TAKEOVER_AFTER);
    silence.look(8);
    assertThat(silence.isTooLong()).as("just as long as it may").isFalse();
    assertThat(silence.isFollowing()).isTrue();
    clock.advance(Duration.ofMillis(1));
    silence.look(8);
    assertThat(silence.isTooLong()).isTrue();
    assertThat(silence.isFollowing()).isFalse();
    assertThat(silence.length()).isEqualTo(TAKEOVER_AFTER.plusMillis(1));
  }

  @Test
  void aSignOfLifeEndsTheSilenceAlsoWhenItsNumberIsLower() {
    silence.look(900);
    clock.advance(TAKEOVER_AFTER.plusSeconds(1));
    silence.look(900);
    assertThat(silence.isTooLong()).isTrue();
    silence.look(3);
    assertThat(silence.length()).as("a table that was made anew counts from 1").isZero();
    assertThat(silence.isFollowing()).isTrue();
  }

  @Test
  void waitsAsLongAgainOnceTheLeadersSessionWasEnded() {
    silence.look(7);
    clock.advance(TAKEOVER_AFTER.plusSeconds(1));
    silence.look(7);
    assertThat(silence.isTooLong()).isTrue();
    silence.waitAgain();
    clock.advance(TAKEOVER_AFTER);
    silence.look(7);
    assertThat(silence.isTooLong()).isFalse();
    clock.advance(Duration.ofMillis(1));
    silence.look(7);
    assertThat(silence.isTooLong()).isTrue();
    assertThat(silence.isFollowing()).isFalse();
  }
}
