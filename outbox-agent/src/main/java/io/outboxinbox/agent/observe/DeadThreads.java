package io.outboxinbox.agent.observe;

import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Threads of this process that ended by an {@link Error}, such as a full heap or a class that is
 * not there. Whatever such a thread watched or wrote nobody does any more, so the process has to be
 * started again. Written by any thread, read by any.
 */
public final class DeadThreads implements Thread.UncaughtExceptionHandler {
  private static final Logger LOG = LoggerFactory.getLogger(DeadThreads.class);

  /** Names of threads may be counted up without end. */
  private static final int KEPT_MAX = 20;

  private final Map<String, String> causes = new ConcurrentSkipListMap<>();

  /** Takes note of every thread of this process from now on. */
  public static DeadThreads watch() {
    DeadThreads threads = new DeadThreads();
    Thread.setDefaultUncaughtExceptionHandler(threads);
    return threads;
  }

  @Override
  public void uncaughtException(Thread thread, Throwable cause) {
    if (cause instanceof Error && causes.size() < KEPT_MAX) {
      causes.put(thread.getName(), cause.toString());
    }
    LOG.error("thread {} ended", thread.getName(), cause);
  }

  /** One line for each; empty when there is none. */
  String lines() {
    StringBuilder lines = new StringBuilder();
    causes.forEach(
        (thread, cause) ->
            lines
                .append("thread ")
                .append(thread)
                .append(" ended: ")
                .append(cause)
                .append("; fix: start the agent again\n"));
    return lines.toString();
  }
}
