package io.outboxinbox.testkit;

/**
 * The PostgreSQL major versions we test on: the oldest in wide use, the default, and the newest.
 */
public enum PostgresVersion {
  V15(15),
  V17(17),
  V18(18);

  private final int major;

  PostgresVersion(int major) {
    this.major = major;
  }

  public int major() {
    return major;
  }
}
