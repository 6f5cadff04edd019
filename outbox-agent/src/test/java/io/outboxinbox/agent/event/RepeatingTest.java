package io.outboxinbox.agent.event;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class RepeatingTest {
  private static final Duration AT_ONCE = Duration.ofMillis(1);

  private final BlockingQueue<String> told = new LinkedBlockingQueue<>();
  private final Repeating work = Repeating.named("watch-test");
  private Thread.UncaughtExceptionHandler before;

  @BeforeEach
  void listen() {
    before = Thread.getDefaultUncaughtExceptionHandler();
    Thread.setDefaultUncaughtExceptionHandler(
        (thread, cause) -> told.add(thread.getName() + ": " + cause));
  }

  @AfterEach
  void tearDown() {
    work.close();
    Thread.setDefaultUncaughtExceptionHandler(before);
  }

  @Test
  void doesNotKeepTheErrorThatEndsItToItself() throws Exception {
    work.withRests(
        Duration.ZERO,
        AT_ONCE,
        () -> {
          throw new StackOverflowError("too deep");
        });
    assertThat(told.poll(60, TimeUnit.SECONDS))
        .isEqualTo("watch-test: java.lang.StackOverflowError: too deep");
  }

  @Test
  void isDoneAgainAndAgainEitherWay() throws Exception {
    CountDownLatch times = new CountDownLatch(6);
    CountDownLatch otherTimes = new CountDownLatch(6);
    work.withRests(Duration.ZERO, AT_ONCE, times::countDown);
    work.atIntervals(AT_ONCE, otherTimes::countDown);
    assertThat(times.await(60, TimeUnit.SECONDS)).isTrue();
    assertThat(otherTimes.await(60, TimeUnit.SECONDS)).isTrue();
  }

  @Test
  void endsWithTheLastOnItsOwnThread() throws Exception {
    work.withRests(Duration.ZERO, AT_ONCE, () -> {});
    work.closeAfter(() -> told.add(Thread.currentThread().getName()));
    assertThat(told.poll(60, TimeUnit.SECONDS)).isEqualTo("watch-test");
  }
}
