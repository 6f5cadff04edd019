package io.outboxinbox.inbox.kafka;

import java.time.Duration;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The threads transactions run on. A lane that pauses holds none of them. Any thread.
 *
 * <p>Tasks handle what they throw. What escapes all the same, an {@link Error} as a rule, is shown
 * in the consumer's state and the task runs again: messages wait for it, and nobody else would.
 */
final class Workers {
  private static final Logger log = LoggerFactory.getLogger(InboxConsumer.class);

  private static final Duration AFTER_ESCAPE = Duration.ofSeconds(1);

  private final String consumer;
  private final Troubles troubles;
  private final ScheduledThreadPoolExecutor threads;

  Workers(String consumer, int number, Troubles troubles) {
    this.consumer = consumer;
    this.troubles = troubles;
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
  void runAfter(Duration pause, Runnable task) {
    schedule(pause, new Guarded(task));
  }

  @SuppressWarnings("FutureReturnValueIgnored") // Nothing is thrown.
  private void schedule(Duration pause, Guarded task) {
    try {
      threads.schedule(task, pause.toNanos(), TimeUnit.NANOSECONDS);
    } catch (RejectedExecutionException closed) {
      // Whoever closes this has taken the work back before.
      return;
    }
  }

  private final class Guarded implements Runnable {
    private final Runnable task;
    private boolean hasFailed;

    Guarded(Runnable task) {
      this.task = task;
    }

    @Override
    public void run() {
      try {
        task.run();
      } catch (RuntimeException | Error e) {
        hasFailed = true;
        // First: what follows may fail too.
        schedule(AFTER_ESCAPE, this);
        troubles.failed(e);
        troubles.set(this, ConsumerState.MISCONFIGURED, "a worker failed: " + e);
        log.error("consumer {}: a worker failed; it tries again", consumer, e);
        return;
      }
      if (hasFailed) {
        troubles.clear(this);
      }
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
