package io.outboxinbox.inbox;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The admission floor as last read. It only ever rises, and {@code inbox_clean} counts on nobody
 * using one that is older than a few minutes.
 */
final class Floor {
  /** Well below the ten minutes for which inbox_clean keeps what a rising floor has given up. */
  private static final Duration READ_AGAIN_AFTER = Duration.ofMinutes(1);

  private record Reading(Instant floor, long nanoTime) {}

  private final LongSupplier nanoTime;
  private volatile @Nullable Reading last;

  Floor(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
  }

  /** The floor, if it need not be read again. */
  @Nullable Instant known() {
    Reading reading = last;
    return reading == null || isOutdated(reading, nanoTime.getAsLong()) ? null : reading.floor();
  }

  Instant get(Connection connection, InboxTable table) throws SQLException {
    Reading reading = last;
    long now = nanoTime.getAsLong();
    if (reading == null || isOutdated(reading, now)) {
      reading = new Reading(table.floor(connection), now);
      last = reading;
    }
    return reading.floor();
  }

  private static boolean isOutdated(Reading reading, long now) {
    return now - reading.nanoTime() >= READ_AGAIN_AFTER.toNanos();
  }

  /** Makes the next caller read it again. */
  void forget() {
    last = null;
  }
}
