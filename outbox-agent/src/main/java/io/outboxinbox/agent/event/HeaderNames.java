package io.outboxinbox.agent.event;

import org.jspecify.annotations.Nullable;

/**
 * Headers by which a message tells what it is, in one style.
 *
 * @param id holds the event's id
 * @param sourceId identifies the source; messages of older versions have none
 * @param source names the source; null where the style has no such header
 */
public record HeaderNames(String id, String sourceId, @Nullable String source, String sequence) {
  /** Names the table the id is of, in every style; only where a source has several. */
  public static final String TABLE = "outbox_table";

  /**
   * Names the replay a copy comes from, which does not show that the event itself was published.
   */
  public static final String REPLAY_ID = "outbox_replay_id";
}
