package io.outboxinbox.agent.source.log;

import io.outboxinbox.agent.event.AgentException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Ends a poll that should have taken milliseconds and does not return: Debezium measures its wait
 * by the wall clock, so a clock set back by an hour would let it wait for an hour. One thread
 * polls, another one watches.
 */
final class PollGuard {

  /** A poll that may be interrupted. */
  @FunctionalInterface
  interface Poll<T> {
    @Nullable T run() throws InterruptedException;
  }

  private final Duration limit;
  private @Nullable Thread polling;
  private long sinceNanos;
  private boolean isEnded;

  /**
   * Makes a guard.
   *
   * @param limit a poll that takes longer is ended
   */
  PollGuard(Duration limit) {
    this.limit = limit;
  }

  /**
   * Polls.
   *
   * @throws AgentException.Retryable it was ended; what it had already taken is lost, so that
   *     reading has to begin again
   * @throws InterruptedException somebody else interrupted the thread
   */
  <T> @Nullable T run(Poll<T> poll) throws InterruptedException {
    begin();
    try {
      return poll.run();
    } catch (InterruptedException e) {
      if (end()) {
        throw new AgentException.Retryable(
            "waiting for the log took more than %d s instead of milliseconds: the clock of this host was set back, or the process was frozen"
                .formatted(limit.toSeconds()),
            e);
      }
      throw e;
    } finally {
      end();
    }
  }

  private synchronized void begin() {
    polling = Thread.currentThread();
    sinceNanos = System.nanoTime();
  }

  /** Whether the guard has interrupted this poll; the interrupt then reaches nothing else. */
  private synchronized boolean end() {
    polling = null;
    if (!isEnded) {
      return false;
    }
    isEnded = false;
    Thread.interrupted();
    return true;
  }

  /** Called from time to time by the thread that watches. */
  synchronized void endIfOverdue() {
    Thread thread = polling;
    if (thread != null && !isEnded && System.nanoTime() - sinceNanos > limit.toNanos()) {
      isEnded = true;
      thread.interrupt();
    }
  }
}
