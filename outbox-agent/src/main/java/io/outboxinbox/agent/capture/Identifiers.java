package io.outboxinbox.agent.capture;

/** Names quoted for SQL that cannot take them as parameters. */
final class Identifiers {
  private Identifiers() {}

  /** Quotes always, because which words are reserved depends on the server. */
  static String quoted(String name) {
    return '"' + name.replace("\"", "\"\"") + '"';
  }

  static String qualified(String schema, String name) {
    return quoted(schema) + "." + quoted(name);
  }
}
