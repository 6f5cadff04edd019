package io.outboxinbox.inbox;

import java.time.Duration;
import java.time.Instant;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * What the inbox has to know of a message that came in.
 *
 * @param id the same on every redelivery
 * @param sentAt when it was sent, the same on every redelivery; tells how old a message is whose id
 *     does not say so. Null if unknown: then it counts as young
 * @param origin null if the message is not numbered
 */
public record Arrival(MessageId id, @Nullable Instant sentAt, @Nullable Origin origin) {
  /** A producer's clock may be ahead, by an hour where the broker has its defaults. */
  private static final Duration CLOCK_SKEW_MAX = Duration.ofHours(1);

  public static Arrival of(MessageId id) {
    return new Arrival(id, null, null);
  }

  /** What it is remembered by. */
  InboxTable.Entry entry() {
    UUID former = id.formerKey();
    return new InboxTable.Entry(
        id.key(), former == null ? null : new InboxTable.Former(former, cameSince()));
  }

  /** A row of this message that was there before it was sent is of another. */
  private Instant cameSince() {
    return sentAt == null || sentAt.isBefore(Instant.EPOCH.plus(CLOCK_SKEW_MAX))
        ? Instant.EPOCH
        : InboxTable.storable(sentAt).minus(CLOCK_SKEW_MAX);
  }

  /** When the message came into being, as far as known. */
  @Nullable Instant bornAt() {
    return id.madeAt().orElse(sentAt);
  }
}
