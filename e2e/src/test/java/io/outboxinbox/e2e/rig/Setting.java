package io.outboxinbox.e2e.rig;

import java.util.Random;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Numbers one may change on the command line with {@code -Dname=value}. */
public final class Setting {
  private static final Logger LOG = LoggerFactory.getLogger(Setting.class);

  private Setting() {}

  /** The system property, or {@code otherwise}. */
  public static int of(String name, int otherwise) {
    return Integer.getInteger(name, otherwise);
  }

  /** {@code -Dledger.seed}, or a new one each time; printed, since a test may end before it is. */
  public static long seed() {
    long seed = Long.getLong("ledger.seed", new Random().nextLong(1_000_000_000));
    LOG.info("seed {}", seed);
    return seed;
  }
}
