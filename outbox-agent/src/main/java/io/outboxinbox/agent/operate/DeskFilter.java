package io.outboxinbox.agent.operate;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * Which parked events; null stands for any.
 *
 * @param table whose row it is
 * @param key message key
 * @param topic where the event would go: its own topic or the route's
 * @param type event type
 * @param reason part of the reason, in any case of letters
 * @param since parked at this moment or later
 */
public record DeskFilter(
    State state,
    @Nullable String table,
    @Nullable String key,
    @Nullable String topic,
    @Nullable String type,
    @Nullable String reason,
    @Nullable Instant since) {

  /** What became of an event, as people ask for it. */
  public enum State {
    /** Not yet settled, requested or not. */
    WAITING,
    /** Waiting, and an operator has asked for its release or its end. */
    REQUESTED,
    RELEASED,
    DISCARDED,
    ALL
  }

  /** Everything in that state. */
  public static DeskFilter of(State state) {
    return new DeskFilter(state, null, null, null, null, null, null);
  }
}
