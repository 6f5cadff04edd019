package io.outboxinbox.agent.capture;

/**
 * Compares keys and ids of any length. An entry of an index holds some 2,700 bytes at most, so the
 * indexes of {@code 04_agent.sql} hold hashes: they narrow a search down, and the text decides.
 */
public final class LongText {
  private LongText() {}

  /** A condition, true where two texts are the same; the index has the hash of either. */
  public static String isSame(String one, String other) {
    return "hashtextextended(%1$s, 0) = hashtextextended(%2$s, 0) AND %1$s = %2$s"
        .formatted(one, other);
  }

  /** The same for an array of texts, whose parameter is wanted twice. */
  public static String isOneOf(String one) {
    return """
        hashtextextended(%1$s, 0) = ANY (ARRAY(SELECT hashtextextended(t, 0) FROM unnest(?::text[]) t))
          AND %1$s = ANY (?)"""
        .formatted(one);
  }
}
