package io.outboxinbox.agent.event;

import java.time.Instant;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * An outbox row as far as it can be read, before anybody asked whether it is an event. Kept when
 * the row has to wait for a person: what is wrong with it may be any of its columns.
 *
 * @param table as the configuration names it; null where an earlier version has kept the row, which
 *     knew one table
 * @param payload bytes as stored; owned by this record, not to be changed
 * @param headers as the row has them, meant to be a JSON object
 * @param occurredAt null also where the row's value is a time no calendar knows
 * @param extra further columns named in the configuration, without those that are null
 */
public record RawRow(
    @Nullable String table,
    @Nullable String id,
    @Nullable String aggregateType,
    @Nullable String aggregateId,
    @Nullable String eventType,
    byte @Nullable [] payload,
    @Nullable String contentType,
    @Nullable String headers,
    @Nullable String topic,
    @Nullable Instant occurredAt,
    Map<String, String> extra)
    implements OutboxRow {

  private static final int ID_CHARS_SHOWN = 120;

  /** The id for a message, cut where it is long; the row may hold anything. */
  public String shownId() {
    return OneLine.of(String.valueOf(id), ID_CHARS_SHOWN);
  }

  public int payloadBytes() {
    return payload == null ? 0 : payload.length;
  }

  /** Never prints the payload: events carry personal data, logs must not. */
  @Override
  public String toString() {
    return "RawRow[id=%s, payloadBytes=%d]".formatted(id, payloadBytes());
  }
}
