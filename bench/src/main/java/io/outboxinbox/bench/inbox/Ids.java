package io.outboxinbox.bench.inbox;

import io.outboxinbox.inbox.MessageId;
import java.util.SplittableRandom;
import java.util.UUID;

/** Makes ids as producers do. */
final class Ids {
  private final SplittableRandom random;

  Ids(long seed) {
    this.random = new SplittableRandom(seed);
  }

  /** A UUID version 7 of that moment. */
  MessageId dated(long epochMillis) {
    long high = (epochMillis << 16) | 0x7000 | random.nextInt(0x1000);
    long low = (random.nextLong() >>> 2) | 0x8000_0000_0000_0000L;
    return MessageId.of(new UUID(high, low));
  }

  /** A UUID version 7 of now. */
  MessageId dated() {
    return dated(System.currentTimeMillis());
  }

  /** Something else than a UUID version 7. */
  MessageId foreign() {
    return MessageId.of("order-" + Long.toUnsignedString(random.nextLong(), 36));
  }

  int below(int bound) {
    return random.nextInt(bound);
  }
}
