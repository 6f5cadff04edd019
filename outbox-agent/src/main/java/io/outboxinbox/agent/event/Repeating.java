package io.outboxinbox.agent.event;

import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Work that is done again and again until it is closed, on a thread of its own, which never keeps
 * the process alive. Work that fails with an exception is not done again: what may fail keeps the
 * failure where somebody looks. An error reaches the thread's handler, as on any other thread.
 */
public final class Repeating implements AutoCloseable {
  private final ScheduledThreadPoolExecutor executor;

  private Repeating(ScheduledThreadPoolExecutor executor) {
    this.executor = executor;
  }

  /** Does nothing yet. */
  public static Repeating named(String thread) {
    return new Repeating(
        new ScheduledThreadPoolExecutor(
            1,
            task -> {
              Thread named = new Thread(task, thread);
              named.setDaemon(true);
              return named;
            }) {
          @Override
          protected void afterExecute(Runnable task, @Nullable Throwable thrown) {
            tellOfError(task);
          }
        });
  }

  /** Rests for the interval after each time. */
  // It runs until close; what it finds is kept by the work, not by this future.
  @SuppressWarnings("FutureReturnValueIgnored")
  public void withRests(Duration first, Duration interval, Runnable work) {
    executor.scheduleWithFixedDelay(
        work, first.toMillis(), interval.toMillis(), TimeUnit.MILLISECONDS);
  }

  /** Begins at each interval, however long it takes; the first time after one. */
  @SuppressWarnings("FutureReturnValueIgnored")
  public void atIntervals(Duration interval, Runnable work) {
    executor.scheduleAtFixedRate(
        work, interval.toMillis(), interval.toMillis(), TimeUnit.MILLISECONDS);
  }

  /** Ends after what runs now, and after this, on the same thread; does not wait for it. */
  public void closeAfter(Runnable last) {
    executor.execute(last);
    executor.shutdown();
  }

  /** Interrupts what runs now, and does not wait for it. */
  @Override
  public void close() {
    executor.shutdownNow();
  }

  /** A task that ends by an error is never run again, and its future, which has it, nobody asks. */
  private static void tellOfError(Runnable task) {
    if (task instanceof Future<?> future && future.isDone() && !future.isCancelled()) {
      try {
        future.get();
      } catch (ExecutionException e) {
        if (e.getCause() instanceof Error error) {
          throw error;
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
