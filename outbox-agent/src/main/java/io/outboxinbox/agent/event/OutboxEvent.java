package io.outboxinbox.agent.event;

import java.time.Instant;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One committed outbox row, read by column name and valid: {@code id}, {@code aggregateType},
 * {@code aggregateId} and {@code eventType} are never empty.
 *
 * @param table which one it is of, as the configuration names it; ids are unique only in a table
 * @param payload bytes as stored; json, jsonb and text as UTF-8; null is a tombstone. Owned by this
 *     record, not to be changed
 * @param contentType media type of the payload; null when the table has no such column
 * @param headers the row's own headers, in column order; empty when there are none
 * @param topic the row's own topic; null when the route decides
 * @param occurredAt when the application says it happened; null when the table has no such column
 * @param extra further columns named in the configuration, for topic templates, by column name
 */
public record OutboxEvent(
    String table,
    String id,
    String aggregateType,
    String aggregateId,
    String eventType,
    byte @Nullable [] payload,
    @Nullable String contentType,
    Map<String, String> headers,
    @Nullable String topic,
    @Nullable Instant occurredAt,
    Map<String, String> extra)
    implements OutboxRow {

  /** Never prints the payload: events carry personal data, logs must not. */
  @Override
  public String toString() {
    return "OutboxEvent[id=%s, aggregateType=%s, eventType=%s, payloadBytes=%s]"
        .formatted(id, aggregateType, eventType, payload == null ? "null" : payload.length);
  }
}
