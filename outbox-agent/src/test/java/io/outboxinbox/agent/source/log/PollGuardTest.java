package io.outboxinbox.agent.source.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.event.AgentException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class PollGuardTest {
  private final PollGuard strict = new PollGuard(Duration.ZERO);
  private final AtomicBoolean isWatching = new AtomicBoolean(true);

  @AfterEach
  void leaveNoInterruptBehind() {
    isWatching.set(false);
    assertThat(Thread.interrupted()).as("the poll's thread is left interrupted").isFalse();
  }

  private void watch(PollGuard guard) {
    Thread watcher =
        new Thread(
            () -> {
              while (isWatching.get()) {
                guard.endIfOverdue();
                Thread.onSpinWait();
              }
            });
    watcher.setDaemon(true);
    watcher.start();
  }

  @Test
  void endsAPollThatDoesNotReturn() {
    watch(strict);
    CountDownLatch never = new CountDownLatch(1);
    assertThatThrownBy(
            () ->
                strict.run(
                    () -> {
                      never.await();
                      return 1;
                    }))
        .isInstanceOf(AgentException.Retryable.class)
        .hasMessageContaining("the clock of this host was set back");
  }

  @Test
  void leavesAPollThatReturnsInTimeAlone() throws Exception {
    PollGuard patient = new PollGuard(Duration.ofHours(1));
    watch(patient);
    for (int i = 0; i < 10_000; i++) {
      assertThat(patient.run(() -> 1)).isEqualTo(1);
    }
  }

  /** The interrupt comes at any moment, also just when the poll returns by itself. */
  @Test
  void neverInterruptsWhatComesAfterThePoll() throws Exception {
    watch(strict);
    for (int i = 0; i < 200_000; i++) {
      assertThat(strict.run(() -> 1)).isEqualTo(1);
      assertThat(Thread.currentThread().isInterrupted()).isFalse();
    }
  }

  @Test
  void passesOnAnInterruptThatIsNotItsOwn() {
    Thread.currentThread().interrupt();
    assertThatThrownBy(
            () ->
                new PollGuard(Duration.ofHours(1))
                    .run(
                        () -> {
                          Thread.sleep(1);
                          return 1;
                        }))
        .isInstanceOf(InterruptedException.class);
  }
}
