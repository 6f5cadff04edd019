package io.outboxinbox.inbox;

import java.time.Instant;
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
  public static Arrival of(MessageId id) {
    return new Arrival(id, null, null);
  }

  /** When the message came into being, as far as known. */
  @Nullable Instant bornAt() {
    return id.madeAt().orElse(sentAt);
  }
}
