package io.outboxinbox.inbox.kafka;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells of transactions that take long, and cuts off connections that do not answer when their
 * handler has left them: drivers wait without a limit, PostgreSQL's for ever where a COPY was left
 * open. Any thread.
 */
final class StepWatch {
  private static final Logger log = LoggerFactory.getLogger(InboxConsumer.class);

  /**
   * How long things may take.
   *
   * @param told before people are told
   * @param answer until the connection has answered what is asked behind a handler, or has rolled
   *     back
   */
  record Limits(Duration told, Duration answer) {
    /**
     * Guesses: few handlers take minutes, and questions that small are answered in milliseconds.
     */
    static Limits defaults() {
      return new Limits(Duration.ofMinutes(5), Duration.ofSeconds(15));
    }
  }

  private final String consumer;
  private final Limits limits;
  private final Troubles troubles;
  private final Set<Step> running = ConcurrentHashMap.newKeySet();

  StepWatch(Settings settings, Troubles troubles) {
    this.consumer = settings.inbox().consumer();
    this.limits = settings.stepLimits();
    this.troubles = troubles;
  }

  /**
   * This thread begins a transaction; {@link Step#end} must follow.
   *
   * @param where of which message it is, and how far
   */
  Step begin(Supplier<String> where) {
    Step step = new Step(where);
    running.add(step);
    return step;
  }

  /** Call it now and then, on a thread that waits for no transaction. */
  void look() {
    running.forEach(Step::look);
  }

  /** One transaction. */
  final class Step {
    private final Thread thread = Thread.currentThread();
    private final long begin = System.nanoTime();
    private final Supplier<String> where;

    // Guarded by this.
    private @Nullable Connection connection;
    private long askedAt;
    private boolean isAsked;
    private boolean isCut;
    private boolean isEnded;

    private Step(Supplier<String> where) {
      this.where = where;
    }

    synchronized void on(Connection used) {
      connection = used;
    }

    /** From now on the connection has to answer soon. */
    synchronized void ask() {
      isAsked = true;
      askedAt = System.nanoTime();
    }

    /** What follows may wait for others. */
    synchronized void answered() {
      isAsked = false;
    }

    /** Whether the connection was cut off. */
    synchronized boolean isCut() {
      return isCut;
    }

    void end() {
      synchronized (this) {
        isEnded = true;
        if (isCut && Thread.interrupted()) {
          log.debug("the interrupt that ended {} is over", where.get());
        }
      }
      running.remove(this);
      troubles.clear(this);
    }

    private synchronized void look() {
      if (isEnded) {
        return;
      }
      if (isAsked && !isCut && isOver(askedAt, limits.answer())) {
        isCut = true;
        log.warn(
            "consumer {}: {}: its connection does not answer for {} s, as where a handler has left"
                + " a COPY open, and is cut off",
            consumer,
            where.get(),
            limits.answer().toSeconds());
        Thread cutter = new Thread(this::cut, "inbox-" + consumer + "-abort");
        cutter.setDaemon(true);
        cutter.start();
      }
      if (isOver(begin, limits.told())) {
        String reason = where.get() + " for more than " + limits.told().toSeconds() + " s";
        troubles.set(this, ConsumerState.SLOW, reason + ", in thread " + thread.getName());
      }
    }

    /** PostgreSQL's driver does not notice an abort while it waits for the end of a COPY. */
    private void cut() {
      Connection used;
      synchronized (this) {
        used = connection;
      }
      try {
        if (used != null) {
          used.abort(Runnable::run);
        }
      } catch (SQLException | RuntimeException e) {
        log.warn("consumer {}: {}: its connection cannot be aborted", consumer, where.get(), e);
      }
      synchronized (this) {
        if (!isEnded) {
          thread.interrupt();
        }
      }
    }
  }

  private static boolean isOver(long begin, Duration limit) {
    return System.nanoTime() - begin > limit.toNanos();
  }
}
