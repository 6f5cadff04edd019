package io.outboxinbox.agent.source;

/**
 * Compares keys and ids of any length. An entry of an index holds some 2,700 bytes at most, so the
 * indexes of {@code 04_agent.sql} hold hashes: they narrow a search down, and the text decides.
 */
public final class LongText {
  private LongText() {}

  /** A condition, true where two texts are the same; the index has the hash of either. */
  public static String isSame(String one, String other) {
    return "%s = %s AND %s = %s".formatted(hash(one), hash(other), one, other);
  }

  /** The same for an array of texts, whose parameter is wanted twice. */
  public static String isOneOf(String one) {
    return """
        %s = ANY (ARRAY(SELECT %s FROM pg_catalog.unnest(?::text[]) t))
          AND %s = ANY (?)"""
        .formatted(hash(one), hash("t"), one);
  }

  /**
   * The server's own function, by schema and exact types: one of the same name in a schema of the
   * search path, which others may write to, would be preferred if its types fitted better.
   */
  private static String hash(String text) {
    return "pg_catalog.hashtextextended(" + text + ", 0::bigint)";
  }
}
