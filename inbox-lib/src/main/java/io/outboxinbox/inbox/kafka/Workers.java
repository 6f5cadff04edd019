package io.outboxinbox.inbox.kafka;

import java.time.Duration;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** The threads transactions run on. A lane that pauses holds none of them. Any thread. */
final class Workers {
  private final ScheduledThreadPoolExecutor threads;

  Workers(String consumer, int number) {
    AtomicInteger count = new AtomicInteger();
    this.threads =
        new ScheduledThreadPoolExecutor(
            number,
            task -> {
              Thread thread =
                  new Thread(task, "inbox-" + consumer + "-worker-" + count.incrementAndGet());
              // The poll thread is what keeps the process alive.
              thread.setDaemon(true);
              return thread;
            });
    threads.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
  }

  /** Runs a task after a pause, unless this is closed. */
  @SuppressWarnings("FutureReturnValueIgnored") // Tasks handle what they throw.
  void runAfter(Duration pause, Runnable task) {
    try {
      threads.schedule(task, pause.toNanos(), TimeUnit.NANOSECONDS);
    } catch (RejectedExecutionException closed) {
      // Whoever closes this has taken the work back before.
      return;
    }
  }

  /**
   * Lets no task begin any more and waits for those that run.
   *
   * @return whether all have ended
   */
  boolean close(Duration limit) {
    threads.shutdown();
    try {
      if (threads.awaitTermination(Math.max(0, limit.toNanos()), TimeUnit.NANOSECONDS)) {
        return true;
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    threads.shutdownNow();
    return false;
  }
}
