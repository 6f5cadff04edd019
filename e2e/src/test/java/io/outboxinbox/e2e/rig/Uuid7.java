package io.outboxinbox.e2e.rig;

import java.util.UUID;
import java.util.random.RandomGenerator;

/** Time-ordered ids as applications without the SQL function make them (RFC 9562). */
final class Uuid7 {
  private static final long VERSION = 0x7000L;
  private static final long VARIANT = 0x8000_0000_0000_0000L;

  private Uuid7() {}

  static UUID next(RandomGenerator random) {
    long millis = System.currentTimeMillis();
    long high = (millis << 16) | VERSION | (random.nextLong() & 0xFFFL);
    long low = VARIANT | (random.nextLong() >>> 2);
    return new UUID(high, low);
  }
}
