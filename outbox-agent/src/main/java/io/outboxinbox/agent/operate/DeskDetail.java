package io.outboxinbox.agent.operate;

import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * All there is to say of one parked event but its payload.
 *
 * @param headers as the row had them; perhaps no JSON
 * @param extra further columns, a JSON object
 * @param payloadHash SHA-256 in hexadecimal digits; null for a tombstone
 * @param edits oldest first
 */
public record DeskDetail(
    DeskEntry entry,
    @Nullable String aggregateType,
    @Nullable String aggregateId,
    @Nullable String ownTopic,
    @Nullable String contentType,
    @Nullable String headers,
    @Nullable Instant occurredAt,
    String extra,
    @Nullable String payloadHash,
    long epoch,
    long xid,
    String lsn,
    Instant committedAt,
    @Nullable String requestedBy,
    @Nullable Instant requestedAt,
    @Nullable String requestedReason,
    List<Edit> edits) {

  /**
   * One field changed by hand.
   *
   * @param before the old value; payload and headers only by size and hash; null where there was
   *     none
   */
  public record Edit(Instant at, String by, String reason, String field, @Nullable String before) {}
}
