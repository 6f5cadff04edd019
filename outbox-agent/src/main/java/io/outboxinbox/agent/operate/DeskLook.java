package io.outboxinbox.agent.operate;

import io.outboxinbox.agent.source.Sql;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Reads table {@code outbox_parked} for people; changes nothing. */
record DeskLook(DeskTable table) {
  /** Old values of these are not printed: they may be large, or hold a credential. */
  private static final String BEFORE =
      """
      CASE WHEN before IS NULL THEN NULL
           WHEN field IN ('payload', 'headers')
             THEN octet_length(before) || ' bytes, sha256 ' || encode(sha256(before), 'hex')
           ELSE convert_from(before, 'UTF8') END
      """;

  private static final Sql.RowMapper<DeskEntry> ENTRY = Sql.as(DeskEntry.class);

  private String entryColumns() {
    return """
        ordinal, state, parked_at, %s AS "table", event_id, event_type, %s AS topic, key,
        octet_length(payload)::bigint AS payload_bytes, is_behind, attempts, reason, requested,
        release IS NOT NULL AND state = 'waiting' AS is_on_its_way, published_sequence, settled_at
        """
        .formatted(table.templates().otherTableSql(), table.templates().topicSql());
  }

  List<DeskEntry> list(DeskFilter filter, long after, int limit) throws SQLException {
    DeskWhere where = table.where(filter).and("ordinal > ?", after);
    return entries(where, "ORDER BY ordinal LIMIT ?", limit);
  }

  List<DeskEntry> outcomes(Collection<Long> ordinals) throws SQLException {
    DeskWhere where =
        DeskWhere.source(table.sourceId())
            .and("ordinal = ANY(?)", (Object) ordinals.toArray(Long[]::new))
            // Of what still waits in the same way there is nothing to tell.
            .and("(state <> 'waiting' OR requested IS NULL)");
    return entries(where, "ORDER BY ordinal");
  }

  private List<DeskEntry> entries(DeskWhere where, String end, Object... values)
      throws SQLException {
    String sql =
        "SELECT %s FROM %s WHERE %s %s".formatted(entryColumns(), table.name(), where.sql(), end);
    return Sql.list(table.connection(), sql, ENTRY, where.values(values));
  }

  ParkedDesk.Totals totals(DeskFilter filter) throws SQLException {
    DeskWhere where = table.where(filter);
    String sql =
        """
        SELECT count(*) AS events,
          count(*) FILTER (WHERE state = 'waiting' AND NOT is_behind) AS culprits,
          count(*) FILTER (WHERE state = 'waiting' AND is_behind) AS behind,
          count(DISTINCT key) AS keys, min(parked_at) AS oldest
        FROM %s WHERE %s
        """
            .formatted(table.name(), where.sql());
    return Sql.one(table.connection(), sql, Sql.as(ParkedDesk.Totals.class), where.values());
  }

  /** Waiting events of other sources in the same table, by source. */
  Map<String, Long> waitingElsewhere() throws SQLException {
    String sql =
        """
        SELECT source, count(*) FROM %s
        WHERE source <> ? AND state = 'waiting' GROUP BY source ORDER BY 2 DESC LIMIT 10
        """
            .formatted(table.name());
    return counts(sql, table.sourceId());
  }

  Map<String, Long> countsByTopic(DeskFilter filter, int limit) throws SQLException {
    return countsBy("coalesce(" + table.templates().topicSql() + ", '?')", filter, limit);
  }

  /** Without the event's own id at the beginning, which would make every reason one of its kind. */
  Map<String, Long> countsByReason(DeskFilter filter, int limit) throws SQLException {
    return countsBy(
        "left(regexp_replace(reason, '^(event|row) [^ ]+:? ', ''), 200)", filter, limit);
  }

  private Map<String, Long> countsBy(String expression, DeskFilter filter, int limit)
      throws SQLException {
    DeskWhere where = table.where(filter);
    String sql =
        "SELECT %s, count(*) FROM %s WHERE %s GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?"
            .formatted(expression, table.name(), where.sql());
    return counts(sql, where.values(limit));
  }

  private Map<String, Long> counts(String sql, @Nullable Object... values) throws SQLException {
    return Sql.map(table.connection(), sql, row -> row.getString(1), row -> row.getLong(2), values);
  }

  Optional<DeskDetail> find(long ordinal) throws SQLException {
    String sql =
        """
        SELECT %s,
          aggregate_type, aggregate_id, topic AS own_topic, content_type, headers, occurred_at, extra::text,
          encode(sha256(payload), 'hex') AS payload_hash, epoch, xid, lsn::text, committed_at,
          requested_by, requested_at, requested_reason
        FROM %s WHERE source = ? AND ordinal = ?
        """
            .formatted(entryColumns(), table.name());
    return Sql.first(
        table.connection(), sql, row -> detail(row, ordinal), table.sourceId(), ordinal);
  }

  private DeskDetail detail(ResultSet row, long ordinal) throws SQLException {
    return new DeskDetail(
        ENTRY.read(row),
        row.getString("aggregate_type"),
        row.getString("aggregate_id"),
        row.getString("own_topic"),
        row.getString("content_type"),
        row.getString("headers"),
        Sql.instant(row, "occurred_at"),
        row.getString("extra"),
        row.getString("payload_hash"),
        row.getLong("epoch"),
        row.getLong("xid"),
        row.getString("lsn"),
        row.getTimestamp("committed_at").toInstant(),
        row.getString("requested_by"),
        Sql.instant(row, "requested_at"),
        row.getString("requested_reason"),
        edits(ordinal));
  }

  private List<DeskDetail.Edit> edits(long ordinal) throws SQLException {
    String sql =
        """
        SELECT edited_at AS at, edited_by AS by, reason, field, %s AS before FROM %s
        WHERE source = ? AND ordinal = ? ORDER BY edited_at, field
        """
            .formatted(BEFORE, table.edits());
    return Sql.list(
        table.connection(), sql, Sql.as(DeskDetail.Edit.class), table.sourceId(), ordinal);
  }

  /** A payload as it is; none of a tombstone or when there is no such event. */
  Optional<byte[]> payload(long ordinal) throws SQLException {
    String sql = "SELECT payload FROM %s WHERE source = ? AND ordinal = ?".formatted(table.name());
    return Sql.list(table.connection(), sql, row -> row.getBytes(1), table.sourceId(), ordinal)
        .stream()
        .filter(Objects::nonNull)
        .findFirst();
  }
}
