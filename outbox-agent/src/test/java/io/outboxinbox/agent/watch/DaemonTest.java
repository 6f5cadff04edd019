package io.outboxinbox.agent.watch;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class DaemonTest {
  private final BlockingQueue<String> ended = new LinkedBlockingQueue<>();
  private final ScheduledExecutorService daemon = Daemon.named("watch-test");
  private Thread.UncaughtExceptionHandler before;

  @BeforeEach
  void listen() {
    before = Thread.getDefaultUncaughtExceptionHandler();
    Thread.setDefaultUncaughtExceptionHandler(
        (thread, cause) -> ended.add(thread.getName() + ": " + cause));
  }

  @AfterEach
  void tearDown() {
    daemon.shutdownNow();
    Thread.setDefaultUncaughtExceptionHandler(before);
  }

  // What becomes of the task is what is looked at.
  @SuppressWarnings("FutureReturnValueIgnored")
  @Test
  void doesNotKeepTheErrorThatEndsAPeriodicTaskToItself() throws Exception {
    daemon.scheduleWithFixedDelay(
        () -> {
          throw new StackOverflowError("too deep");
        },
        0,
        1,
        TimeUnit.MILLISECONDS);
    assertThat(ended.poll(60, TimeUnit.SECONDS))
        .isEqualTo("watch-test: java.lang.StackOverflowError: too deep");
  }
}
