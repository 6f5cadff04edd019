package io.outboxinbox.agent.source.outbox;

/** Tells UUIDs among ids that are kept as text; operators may have written some of them. */
public final class UuidText {
  private static final String IS_UUID = "%s ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'";

  private UuidText() {}

  /** A condition, true where a text can be cast to a UUID; false for NULL. */
  public static String isUuid(String text) {
    return "coalesce(%s, false)".formatted(IS_UUID.formatted(text));
  }

  /** The same for those whose first 48 bits are the milliseconds at which they were made. */
  public static String isUuid7(String text) {
    return "(%s AND substr(%s, 15, 1) = '7')".formatted(isUuid(text), text);
  }

  /** When a UUIDv7 was made; NULL for any other text. */
  public static String time(String text) {
    // The first 48 bits are milliseconds.
    return """
        CASE WHEN %s THEN pg_catalog.to_timestamp(
          ('x' || replace(left(%s, 13), '-', ''))::bit(48)::bigint / 1000.0::float8) END
        """
        .formatted(isUuid7(text), text);
  }
}
