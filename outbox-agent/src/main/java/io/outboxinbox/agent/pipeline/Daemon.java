package io.outboxinbox.agent.pipeline;

import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;

/** Background threads, which never keep the process alive. */
final class Daemon {
  private Daemon() {}

  /** An executor with one thread of that name. */
  static ScheduledExecutorService named(String name) {
    return Executors.newSingleThreadScheduledExecutor(
        task -> {
          Thread thread = new Thread(task, name);
          thread.setDaemon(true);
          return thread;
        });
  }
}
