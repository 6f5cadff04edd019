package io.outboxinbox.agent.capture;

/** Quotes names for SQL that cannot take them as parameters. */
public final class Identifiers {
  private Identifiers() {}

  /** Quotes always, because which words are reserved depends on the server. */
  public static String quoted(String name) {
    return '"' + name.replace("\"", "\"\"") + '"';
  }

  /** A table or function with its schema. */
  public static String qualified(String schema, String name) {
    return quoted(schema) + "." + quoted(name);
  }
}
