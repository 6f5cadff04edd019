package io.outboxinbox.agent.watch;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import org.jspecify.annotations.Nullable;

/** Background threads, which never keep the process alive. */
public final class Daemon {
  private Daemon() {}

  /** An executor with one thread of that name. */
  public static ScheduledExecutorService named(String name) {
    return new ScheduledThreadPoolExecutor(
        1,
        task -> {
          Thread thread = new Thread(task, name);
          thread.setDaemon(true);
          return thread;
        }) {
      @Override
      protected void afterExecute(Runnable task, @Nullable Throwable thrown) {
        tellOfError(task);
      }
    };
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
