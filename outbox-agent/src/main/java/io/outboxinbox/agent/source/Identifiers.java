package io.outboxinbox.agent.source;

import java.nio.charset.StandardCharsets;

/**
 * Names of the database: which ones can be read, and how they are written in SQL that cannot take
 * them as parameters.
 *
 * <p>A name is the catalog's, in any case and script. Not every name PostgreSQL allows can be read:
 * Debezium takes quotes in a name for its own, and does not tell {@code "a.b"."c"} from {@code
 * "a"."b.c"}. Control characters would break logs and printed statements.
 */
public final class Identifiers {
  /** A column's name, except for its length in bytes. */
  static final String COLUMN = "[^\"'`\\p{Cntrl}]+";

  static final String COLUMN_RULE =
      "must be the name as the catalog has it, without quotes and control characters in it or around it";

  /** A table's or a schema's name, except for its length in bytes. */
  static final String TABLE = "[^\"'`.\\p{Cntrl}]+";

  static final String TABLE_RULE =
      "must be the name as the catalog has it, without quotes, dots and control characters in it or around it";

  static final String LENGTH_RULE = "must have at most 63 bytes, as names in PostgreSQL do";

  private static final int BYTES_MAX = 63;

  private Identifiers() {}

  static boolean isTooLong(String name) {
    return name.getBytes(StandardCharsets.UTF_8).length > BYTES_MAX;
  }

  /** Whether a schema can be named so. */
  public static boolean isSchemaName(String name) {
    return name.matches(TABLE) && !isTooLong(name);
  }

  /** Quotes always, because which words are reserved depends on the server. */
  public static String quoted(String name) {
    return '"' + name.replace("\"", "\"\"") + '"';
  }

  /**
   * A text as a literal, in one line, which any session reads alike: a backslash means itself only
   * where {@code standard_conforming_strings} says so.
   */
  public static String literal(String text) {
    StringBuilder literal = new StringBuilder();
    boolean isEscaped = false;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      boolean isControl = c == 0x7F || c < ' ';
      isEscaped |= isControl || c == '\\';
      literal.append(
          isControl
              ? "\\%03o".formatted((int) c)
              : c == '\'' ? "''" : c == '\\' ? "\\\\" : String.valueOf(c));
    }
    return (isEscaped ? "E'" : "'") + literal + "'";
  }

  /** A table or function with its schema. */
  public static String qualified(String schema, String name) {
    return quoted(schema) + "." + quoted(name);
  }
}
