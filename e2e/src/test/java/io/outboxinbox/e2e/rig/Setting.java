package io.outboxinbox.e2e.rig;

import java.util.Random;

/** Numbers one may change on the command line with {@code -Dname=value}. */
public final class Setting {
  private Setting() {}

  /** The system property, or {@code otherwise}. */
  public static int of(String name, int otherwise) {
    return Integer.getInteger(name, otherwise);
  }

  /** {@code -Dledger.seed}, or a new one each time; print it. */
  public static long seed() {
    return Long.getLong("ledger.seed", new Random().nextLong(1_000_000_000));
  }
}
