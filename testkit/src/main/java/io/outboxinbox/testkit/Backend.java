package io.outboxinbox.testkit;

/**
 * Where the extensions get their servers from: {@code -Dtestkit=embedded} (the default) or {@code
 * -Dtestkit=containers}.
 */
enum Backend {
  /** This package's servers, from Maven artifacts. */
  EMBEDDED,
  /** Testcontainers, which the user puts on the class path and which needs a Docker engine. */
  CONTAINERS;

  static Backend chosen() {
    String value = System.getProperty("testkit", "embedded");
    return switch (value) {
      case "embedded", "" -> EMBEDDED;
      case "containers" -> CONTAINERS;
      default ->
          throw new IllegalArgumentException(
              "-Dtestkit=" + value + " must be -Dtestkit=embedded or -Dtestkit=containers");
    };
  }

  /** What to say when {@code -Dtestkit=containers} meets a class path without Testcontainers. */
  static IllegalStateException missing(NoClassDefFoundError cause) {
    return new IllegalStateException(
        "-Dtestkit=containers needs org.testcontainers:testcontainers-postgresql and testcontainers-kafka"
            + " on the test class path",
        cause);
  }
}
