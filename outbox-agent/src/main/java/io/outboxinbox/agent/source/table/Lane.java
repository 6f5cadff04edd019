package io.outboxinbox.agent.source.table;

import io.outboxinbox.agent.source.LongText;
import org.jspecify.annotations.Nullable;

/**
 * What events wait in line for: a key of one topic. Kafka keeps order per topic and key, so a
 * parked event holds back only its own. Where nobody can tell which topic an event belongs to, the
 * key is held in all of them; so it is for rows parked by versions that did not note the topic.
 */
public final class Lane {
  /** No topic has a slash in its name, so the first one ends the topic. */
  private static final String SEPARATOR = "/";

  /** The lane of a row of {@code outbox_parked}; NULL when the row does not tell its key. */
  static final String SQL = "(coalesce(destination, '') || '" + SEPARATOR + "' || key)";

  /** Whether a row is in the lane {@code k.lane}; the key comes first, as in the index. */
  static final String SQL_IS_IN =
      LongText.isSame("key", "substr(k.lane, strpos(k.lane, '/') + 1)")
          + " AND destination IS NOT DISTINCT FROM nullif(split_part(k.lane, '/', 1), '')";

  private Lane() {}

  /**
   * The text that stands for a lane.
   *
   * @param topic null for all of them
   */
  public static String of(@Nullable String topic, String key) {
    return (topic == null ? "" : topic) + SEPARATOR + key;
  }
}
