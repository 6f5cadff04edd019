package io.outboxinbox.inbox;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * What a call of {@link InboxRetention#clean} did.
 *
 * @param floor messages made before it may be forgotten now; null if another session was cleaning
 *     from the beginning, so that nothing was done
 * @param partitionsDropped whole days, on PostgreSQL
 * @param rowsDeleted one by one
 * @param end why it stopped
 */
public record Cleaning(@Nullable Instant floor, int partitionsDropped, long rowsDeleted, End end) {

  /** Why cleaning stopped. */
  public enum End {
    /** Nothing is left to do today. */
    DONE,
    /** Transactions held what was to go; the next call tries again. */
    HELD_UP,
    /** Another session cleans. */
    ELSEWHERE,
    /** The thread was interrupted; its flag is set. */
    INTERRUPTED
  }
}
