package io.outboxinbox.agent.operate;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * One parked event in a list, without payload and headers. Texts are as the row had them:
 * untrusted.
 *
 * @param table null where the source has one, and where an earlier version did not note it
 * @param topic where it would go: its own topic or the route's; null when not even that is known
 * @param payloadBytes null for a tombstone
 * @param isBehind waits only because of an earlier event of its key
 * @param requested {@code release} or {@code discard}; null when nobody has asked
 * @param isOnItsWay part of a batch that is being published right now
 * @param publishedSequence it was published with, or may be if it is on its way
 */
public record DeskEntry(
    long ordinal,
    String state,
    Instant parkedAt,
    @Nullable String table,
    @Nullable String eventId,
    @Nullable String eventType,
    @Nullable String topic,
    @Nullable String key,
    @Nullable Long payloadBytes,
    boolean isBehind,
    int attempts,
    String reason,
    @Nullable String requested,
    boolean isOnItsWay,
    @Nullable Long publishedSequence,
    @Nullable Instant settledAt) {

  public boolean isWaiting() {
    return state.equals("waiting");
  }
}
