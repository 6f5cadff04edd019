package io.outboxinbox.agent.lead;

import io.outboxinbox.agent.event.Repeating;
import io.outboxinbox.agent.source.table.SourceRegistry.Pause;
import io.outboxinbox.agent.source.table.SourceRegistry.Pulsed;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * The leader's sign of life: written into the database at a fixed interval by a thread of its own,
 * and expected back through the log. Its return moves the slot of an idle outbox, measures latency,
 * and its absence shows a silent stall.
 */
public final class Pulse implements AutoCloseable {
  /**
   * By then whoever leads has seen that the pulse failed, unless it waits for an answer that never
   * comes: some are waited for without a limit, such as that of a search of the whole table.
   */
  private static final Duration LEAD_ENDS_WITHIN = Duration.ofSeconds(10);

  private final Leadership leadership;
  private final Clock clock;
  private final LongConsumer given;

  /** The driver's state for a connection that was closed before. */
  private static final String CLOSED = "08003";

  private final String nonce = UUID.randomUUID().toString();
  private final Repeating thread;

  /** Send times by number; a pulse further back than this is not waited for. */
  private final long[] sentNanos = new long[1024];

  private long number;
  private volatile @Nullable SQLException failure;
  private long failedNanos;
  private volatile boolean hasBroken;
  private volatile long returnedNanos = System.nanoTime();
  private volatile long latencyMillis = -1;
  private volatile @Nullable Instant returnedAt;
  private volatile @Nullable Pause pause;

  /**
   * Makes one that does not pulse yet.
   *
   * @param given takes the number of each pulse of ours in the database
   */
  public Pulse(Leadership leadership, String pipeline, Clock clock, LongConsumer given) {
    this.leadership = leadership;
    this.clock = clock;
    this.given = given;
    this.thread = Repeating.named("pulse-" + pipeline);
  }

  /** Marks our pulses in the log. */
  public String nonce() {
    return nonce;
  }

  /**
   * Pulses once on the caller's thread, so that a pause is known before anything is published, and
   * then at each interval.
   */
  public void start(Duration interval) {
    send();
    returnedNanos = System.nanoTime();
    thread.atIntervals(interval, this::send);
  }

  /** Begins to wait anew for a pulse to come back: the log has not been read for a while. */
  public void expectAnew() {
    returnedNanos = System.nanoTime();
  }

  /** The log was not read for so long, so no pulse could come back: waits as much longer. */
  public void wasNotRead(long nanos) {
    long returned = returnedNanos;
    returnedNanos = returned + nanos;
  }

  /** Why nothing is to be published; null when it is. */
  public @Nullable Pause pause() {
    return pause;
  }

  private void send() {
    if (failure != null) {
      if (System.nanoTime() - failedNanos > LEAD_ENDS_WITHIN.toNanos()) {
        breakConnections();
      }
      return;
    }
    try {
      long next = ++number;
      synchronized (sentNanos) {
        sentNanos[(int) (next % sentNanos.length)] = System.nanoTime();
      }
      Pulsed pulsed = leadership.pulse(nonce + ":" + next);
      given.accept(pulsed.number());
      pause = pulsed.pause().orElse(null);
    } catch (SQLException e) {
      fail(e);
    } catch (RuntimeException e) {
      // Thrown on, it would end the pulses without a word.
      fail(new SQLException("the pulse failed: " + e.getMessage(), e));
    } catch (Error e) {
      fail(new SQLException("the pulse failed: " + e, e));
      // Nobody comes back here to do it.
      breakConnections();
      throw e;
    }
  }

  private void breakConnections() {
    hasBroken = true;
    leadership.breakConnections();
  }

  private void fail(SQLException reason) {
    failedNanos = System.nanoTime();
    failure = reason;
  }

  /** Takes note that a pulse came back through the log. */
  public void returned(long returnedNumber) {
    long now = System.nanoTime();
    long sent;
    synchronized (sentNanos) {
      sent = sentNanos[(int) (returnedNumber % sentNanos.length)];
    }
    returnedNanos = now;
    returnedAt = clock.instant();
    latencyMillis = TimeUnit.NANOSECONDS.toMillis(now - sent);
  }

  /**
   * Fails when a pulse could not be written.
   *
   * @throws SQLException leadership must be taken as lost
   */
  public void ensureAlive() throws SQLException {
    SQLException failed = failure;
    if (failed != null) {
      throw failed;
    }
  }

  /** Why a session has failed: the pulse, where it has closed the connection that failed. */
  public SQLException causeOf(SQLException failed) {
    SQLException first = failure;
    boolean isConsequence = hasBroken || CLOSED.equals(failed.getSQLState());
    if (first == null || first == failed || !isConsequence) {
      return failed;
    }
    first.addSuppressed(failed);
    return first;
  }

  public Duration sinceReturn() {
    return Duration.ofNanos(System.nanoTime() - returnedNanos);
  }

  public long latencyMillis() {
    return latencyMillis;
  }

  public @Nullable Instant returnedAt() {
    return returnedAt;
  }

  @Override
  public void close() {
    thread.close();
  }
}
