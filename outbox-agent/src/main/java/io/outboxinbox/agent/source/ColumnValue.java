package io.outboxinbox.agent.source;

import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.temporal.ChronoUnit;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGStatement;

/**
 * The one form a value has whether it comes from the log or from the table: bytes, or text as the
 * server writes it; times as {@link Instant} does, or {@value #INFINITE}.
 */
public final class ColumnValue {
  /** PostgreSQL's {@code infinity} and {@code -infinity}: no time at all. */
  static final String INFINITE = "infinite";

  private static final Instant DEBEZIUM_INFINITY =
      Instant.EPOCH.plus(PGStatement.DATE_POSITIVE_INFINITY, ChronoUnit.MICROS);
  private static final Instant DEBEZIUM_MINUS_INFINITY =
      Instant.EPOCH.plus(PGStatement.DATE_NEGATIVE_INFINITY, ChronoUnit.MICROS);

  /** What the server can store ends long before; the driver's infinities lie far outside. */
  private static final int YEAR_MAX = 300_000;

  private ColumnValue() {}

  /** Whether it is kept as it is. */
  public static boolean isBytes(@Nullable Object value) {
    return value instanceof byte[] || value instanceof ByteBuffer;
  }

  /** A value of driver or decoder in this form; null only for null. */
  public static @Nullable Object of(@Nullable Object value) {
    if (value == null || isBytes(value)) {
      return value;
    }
    if (value instanceof OffsetDateTime time) {
      return Math.abs((long) time.getYear()) > YEAR_MAX ? INFINITE : time.toInstant().toString();
    }
    if (value instanceof Instant time) {
      // Of a timestamp without zone, where Debezium has numbers for it that are times as well.
      return time.equals(DEBEZIUM_INFINITY) || time.equals(DEBEZIUM_MINUS_INFINITY)
          ? INFINITE
          : time.toString();
    }
    return value.toString();
  }
}
