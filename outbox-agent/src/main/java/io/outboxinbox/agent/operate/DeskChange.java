package io.outboxinbox.agent.operate;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A correction of one parked event.
 *
 * @param values new values by field
 * @param isTopicRemoved the route decides again
 * @param headers to add or replace, by name
 * @param removedHeaders names
 * @param areHeadersCleared begins with none, the only way out where they are no JSON object
 * @param columns new values of further columns, those of {@code source.extraColumns}
 * @param payload new payload; null for no change. Owned by this record
 * @param mayChangeKey whether the event may leave the order of its key
 */
public record DeskChange(
    Map<Field, String> values,
    boolean isTopicRemoved,
    Map<String, String> headers,
    List<String> removedHeaders,
    boolean areHeadersCleared,
    Map<String, String> columns,
    byte @Nullable [] payload,
    boolean mayChangeKey) {

  /** Columns of the event that are plain text. */
  public enum Field {
    /** Only where there is none: consumers know an event by it. */
    EVENT_ID("event_id", "id"),
    AGGREGATE_TYPE("aggregate_type", "aggregate_type"),
    AGGREGATE_ID("aggregate_id", "aggregate_id"),
    EVENT_TYPE("event_type", "event_type"),
    CONTENT_TYPE("content_type", "content_type"),
    TOPIC("topic", "topic");

    private final String column;
    private final String templateName;

    Field(String column, String templateName) {
      this.column = column;
      this.templateName = templateName;
    }

    String column() {
      return column;
    }

    /** What templates of the route call it. */
    String templateName() {
      return templateName;
    }
  }

  boolean touchesHeaders() {
    return areHeadersCleared || !headers.isEmpty() || !removedHeaders.isEmpty();
  }

  /** Whether there is anything to do. */
  public boolean isEmpty() {
    return values.isEmpty()
        && !isTopicRemoved
        && !touchesHeaders()
        && columns.isEmpty()
        && payload == null;
  }
}
