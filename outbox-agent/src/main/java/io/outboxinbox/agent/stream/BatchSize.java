package io.outboxinbox.agent.stream;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Destination;
import io.outboxinbox.agent.event.RawRow;
import io.outboxinbox.agent.event.RoutedEvent;
import java.time.Duration;
import java.util.List;
import java.util.function.LongSupplier;
import java.util.function.Supplier;

/**
 * How many bytes may go to the broker together. What takes too long is halved before it is tried
 * again, or a slow broker would be sent the same batch for ever; what goes quickly may grow again.
 * A failed session knows nothing of the next, so this outlives sessions. Used by one thread.
 */
public final class BatchSize {
  private static final long UNLIMITED = Long.MAX_VALUE;

  /** Beyond the largest batch a configuration allows; from here on size is no matter. */
  private static final long LARGE_BYTES = 1L << 30;

  /**
   * A broker that cannot take this much in time is not too slow but away: then whole transactions
   * are worth more than smaller ones. A guess.
   */
  private static final long SMALL_BYTES = 16 << 10;

  /** A quota lets one batch through quickly after a rest, and not the next. A guess. */
  private static final int QUICK_BEFORE_GROWING = 4;

  /**
   * So long after the last batch that took long, the limit has no reason any more: a broker with
   * little to do would else be sent split transactions for ever. A guess.
   */
  private static final Duration EASED_AFTER = Duration.ofMinutes(1);

  /** Upper bound of what formats add to one event, and what a row without a payload costs. */
  private static final long EVENT_BYTES = 100;

  private final LongSupplier nanos;
  private long limit = UNLIMITED;

  /** Batches near the limit since it last changed that left most of the time unused. */
  private int quick;

  /** When a batch last took a good part of the time, by the clock. */
  private long strained;

  /** Whether a batch went quickly since then. */
  private boolean isEasing;

  /** One batch that took long may be a broker that was away; two in a row say it is the size. */
  private boolean wasSlow;

  /**
   * Starts without a limit.
   *
   * @param nanos a clock that only goes forward
   */
  BatchSize(LongSupplier nanos) {
    this.nanos = nanos;
  }

  /** The event that reaches so many bytes is the last of its batch. */
  public long bytes() {
    if (isEasing && nanos.getAsLong() - strained > EASED_AFTER.toNanos()) {
      limit = UNLIMITED;
    }
    return limit;
  }

  /**
   * Sends a batch, and learns from the time that takes.
   *
   * @param patience after which broker or client give the batch up
   */
  public <T> T measured(List<RoutedEvent> batch, Duration patience, Supplier<T> send) {
    long begun = nanos.getAsLong();
    try {
      T sent = send.get();
      passed(bytes(batch), nanos.getAsLong() - begun, patience.toNanos());
      return sent;
    } catch (AgentException.Retryable e) {
      failed(bytes(batch), nanos.getAsLong() - begun, patience.toNanos());
      throw e;
    }
  }

  private void passed(long bytes, long tookNanos, long patienceNanos) {
    if (tookNanos >= patienceNanos / 4) {
      strain();
    } else {
      isEasing = true;
    }
    if (tookNanos > patienceNanos / 2) {
      slow(bytes);
      return;
    }
    wasSlow = false;
    if (tookNanos < patienceNanos / 4 && bytes >= limit / 2) {
      // Half of the time is left if it takes twice as long. A batch far below the limit says
      // nothing about one that reaches it.
      quick++;
      if (quick >= QUICK_BEFORE_GROWING) {
        quick = 0;
        limit = limit >= LARGE_BYTES ? UNLIMITED : limit * 2;
      }
    }
  }

  private void failed(long bytes, long tookNanos, long patienceNanos) {
    if (tookNanos < patienceNanos) {
      return;
    }
    strain();
    slow(bytes);
  }

  private void slow(long bytes) {
    if (wasSlow || limit != UNLIMITED) {
      halve(bytes);
    }
    wasSlow = true;
  }

  private void strain() {
    strained = nanos.getAsLong();
    isEasing = false;
  }

  private void halve(long bytes) {
    quick = 0;
    if (bytes > SMALL_BYTES) {
      limit = Math.max(SMALL_BYTES, Math.min(limit, bytes) / 2);
    }
  }

  private static long bytes(List<RoutedEvent> batch) {
    long bytes = 0;
    for (RoutedEvent event : batch) {
      bytes += bytes(event);
    }
    return bytes;
  }

  /** What a row takes of a batch when it is parked, about. */
  static long bytes(RawRow row) {
    return EVENT_BYTES + row.payloadBytes() + (row.headers() == null ? 0 : row.headers().length());
  }

  /** What an event takes of a batch, about. */
  static long bytes(RoutedEvent event) {
    byte[] payload = event.sequenced().event().payload();
    long bytes =
        EVENT_BYTES + event.destination().key().length() + (payload == null ? 0 : payload.length);
    for (Destination.Header header : event.destination().headers()) {
      bytes += header.name().length() + header.value().length;
    }
    return bytes;
  }
}
