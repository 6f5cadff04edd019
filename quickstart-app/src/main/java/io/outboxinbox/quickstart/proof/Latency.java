package io.outboxinbox.quickstart.proof;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import org.HdrHistogram.Histogram;

/**
 * Time from commit to consumer. The overall figures leave out what is not steady state: a warm-up,
 * and the time around a kill until the backlog is gone and the new process is warm. The interval's
 * figures leave out nothing. Any thread may use it.
 */
public final class Latency {
  /** JVMs compile what is hot during their first seconds. */
  public static final Duration WARM_UP = Duration.ofSeconds(5);

  /** A new process compiles, too. Short, because the next kill may follow within seconds. */
  public static final Duration AFTER_KILL = Duration.ofSeconds(2);

  /** An event that came through this fast proves that the backlog is gone. */
  private static final long CAUGHT_UP_NANOS = Duration.ofMillis(500).toNanos();

  private static final long HIGHEST_MICROS = Duration.ofMinutes(10).toNanos() / 1_000;
  private static final int SIGNIFICANT_DIGITS = 3;

  private static final class Disturbance {
    final long from;
    final Duration rest;
    long until = Long.MAX_VALUE;

    Disturbance(long from, Duration rest) {
      this.from = from;
      this.rest = rest;
    }

    boolean touches(long committedAt, long arrivedAt) {
      return arrivedAt >= from && committedAt < until;
    }

    /** Ends it if this event shows that the backlog is gone; returns whether it did just now. */
    boolean isEndedBy(long committedAt, long arrivedAt) {
      boolean ends =
          until == Long.MAX_VALUE
              && committedAt > from
              && arrivedAt - committedAt < CAUGHT_UP_NANOS;
      if (ends) {
        until = arrivedAt + rest.toNanos();
      }
      return ends;
    }
  }

  private final Histogram received = histogram();
  private final Histogram applied = histogram();
  private final Histogram interval = histogram();
  private final Histogram recoveries = histogram();
  private final Deque<Disturbance> newestFirst = new ArrayDeque<>();
  private final Deque<Disturbance> ofEffects = new ArrayDeque<>();
  private long leftOut;

  /** The system starts: events count {@link #WARM_UP} after the first of them came through. */
  public synchronized void starting(long now) {
    newestFirst.addFirst(new Disturbance(now, WARM_UP));
  }

  /** The agent was killed, or has died: events count {@link #AFTER_KILL} the backlog is gone. */
  public synchronized void disturbed(long now) {
    Disturbance newest = newestFirst.peekFirst();
    // Killed again before it had recovered: one long disturbance, timed from the first kill.
    if (newest == null || newest.until != Long.MAX_VALUE) {
      newestFirst.addFirst(new Disturbance(now, AFTER_KILL));
    }
  }

  /** The inventory was killed, or has died: effects count again as events do. */
  public synchronized void effectsDisturbed(long now) {
    Disturbance newest = ofEffects.peekFirst();
    if (newest == null || newest.until != Long.MAX_VALUE) {
      ofEffects.addFirst(new Disturbance(now, AFTER_KILL));
    }
  }

  /** Whether events come through without a backlog. */
  public synchronized boolean caughtUp() {
    Disturbance newest = newestFirst.peekFirst();
    return newest == null || newest.until != Long.MAX_VALUE;
  }

  synchronized void received(long committedAt, long receivedAt) {
    long micros = micros(committedAt, receivedAt);
    interval.recordValue(micros);
    if (!isDisturbed(newestFirst, committedAt, receivedAt)) {
      received.recordValue(micros);
      return;
    }
    leftOut++;
    Disturbance newest = newestFirst.peekFirst();
    if (newest != null && newest.isEndedBy(committedAt, receivedAt) && newestFirst.size() > 1) {
      recoveries.recordValue(micros(newest.from, receivedAt));
    }
  }

  synchronized void applied(long committedAt, long appliedAt) {
    boolean isDisturbed = isDisturbed(ofEffects, committedAt, appliedAt);
    Disturbance newest = ofEffects.peekFirst();
    if (newest != null) {
      newest.isEndedBy(committedAt, appliedAt);
    }
    if (!isDisturbed && !isDisturbed(newestFirst, committedAt, appliedAt)) {
      applied.recordValue(micros(committedAt, appliedAt));
    }
  }

  synchronized void startInterval() {
    interval.reset();
  }

  /** The figures so far. */
  synchronized LatencyReport report() {
    return new LatencyReport(
        LatencyReport.Figures.of(interval),
        LatencyReport.Figures.of(received),
        LatencyReport.Figures.of(applied),
        LatencyReport.Figures.of(recoveries),
        leftOut);
  }

  private static boolean isDisturbed(
      Deque<Disturbance> newestFirst, long committedAt, long arrivedAt) {
    for (Disturbance disturbance : newestFirst) {
      if (disturbance.touches(committedAt, arrivedAt)) {
        return true;
      }
      if (disturbance.until <= committedAt) {
        break;
      }
    }
    return false;
  }

  private static long micros(long from, long to) {
    return Math.min(HIGHEST_MICROS, Math.max(0, (to - from) / 1_000));
  }

  private static Histogram histogram() {
    return new Histogram(HIGHEST_MICROS, SIGNIFICANT_DIGITS);
  }
}
