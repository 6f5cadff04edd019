package io.outboxinbox.agent.operate;

import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.Sql;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Reads table {@code outbox_parked} for people; changes nothing. */
final class DeskLook {
  /** Old values of these are not printed: they may be large, or hold a credential. */
  private static final String BEFORE =
      """
      CASE WHEN before IS NULL THEN NULL
           WHEN field IN ('payload', 'headers')
             THEN octet_length(before) || ' bytes, sha256 ' || encode(sha256(before), 'hex')
           ELSE convert_from(before, 'UTF8') END
      """;

  private final Connection connection;
  private final String sourceId;
  private final String table;
  private final String edits;
  private final String topicSql;
  private final String entryColumns;

  DeskLook(Connection connection, String schema, String sourceId, ParkedDesk.Templates templates) {
    this.connection = connection;
    this.sourceId = sourceId;
    this.table = Identifiers.qualified(schema, "outbox_parked");
    this.edits = Identifiers.qualified(schema, "outbox_parked_edit");
    this.topicSql = templates.topicSql();
    this.entryColumns =
        """
        ordinal, state, parked_at, %s AS of_table, event_id, event_type, %s AS destination, key,
        octet_length(payload)::bigint AS payload_bytes, is_behind, attempts, reason, requested,
        release IS NOT NULL AND state = 'waiting' AS is_on_its_way, published_sequence, settled_at
        """
            .formatted(templates.otherTableSql(), topicSql);
  }

  List<DeskEntry> list(DeskFilter filter, long after, int limit) throws SQLException {
    DeskWhere where =
        DeskWhere.source(sourceId).matching(filter, topicSql).and("ordinal > ?", after);
    String sql =
        "SELECT "
            + entryColumns
            + " FROM "
            + table
            + " WHERE "
            + where.sql()
            + " ORDER BY ordinal LIMIT ?";
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setInt(where.bind(statement, 1), limit);
      return entries(statement);
    }
  }

  List<DeskEntry> outcomes(Collection<Long> ordinals) throws SQLException {
    DeskWhere where =
        DeskWhere.source(sourceId).and("ordinal = ANY(?)", (Object) ordinals.toArray(Long[]::new));
    String sql =
        "SELECT "
            + entryColumns
            + " FROM "
            + table
            + " WHERE "
            + where.sql()
            // Of what still waits in the same way there is nothing to tell.
            + " AND (state <> 'waiting' OR requested IS NULL) ORDER BY ordinal";
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      where.bind(statement, 1);
      return entries(statement);
    }
  }

  private static List<DeskEntry> entries(PreparedStatement statement) throws SQLException {
    List<DeskEntry> entries = new ArrayList<>();
    try (ResultSet row = statement.executeQuery()) {
      while (row.next()) {
        entries.add(entry(row));
      }
    }
    return entries;
  }

  ParkedDesk.Totals totals(DeskFilter filter) throws SQLException {
    DeskWhere where = DeskWhere.source(sourceId).matching(filter, topicSql);
    String sql =
        """
        SELECT count(*), count(*) FILTER (WHERE state = 'waiting' AND NOT is_behind),
          count(*) FILTER (WHERE state = 'waiting' AND is_behind), count(DISTINCT key), min(parked_at)
        FROM %s WHERE %s
        """
            .formatted(table, where.sql());
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      where.bind(statement, 1);
      try (ResultSet row = statement.executeQuery()) {
        row.next();
        return new ParkedDesk.Totals(
            row.getLong(1), row.getLong(2), row.getLong(3), row.getLong(4), instant(row, 5));
      }
    }
  }

  /** Waiting events of other sources in the same table, by source. */
  Map<String, Long> waitingElsewhere() throws SQLException {
    String sql =
        "SELECT source, count(*) FROM "
            + table
            + " WHERE source <> ? AND state = 'waiting' GROUP BY source ORDER BY 2 DESC LIMIT 10";
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setString(1, sourceId);
      return counts(statement);
    }
  }

  Map<String, Long> countsByTopic(DeskFilter filter, int limit) throws SQLException {
    return countsBy("coalesce(" + topicSql + ", '?')", filter, limit);
  }

  /** Without the event's own id at the beginning, which would make every reason one of its kind. */
  Map<String, Long> countsByReason(DeskFilter filter, int limit) throws SQLException {
    return countsBy(
        "left(regexp_replace(reason, '^(event|row) [^ ]+:? ', ''), 200)", filter, limit);
  }

  private Map<String, Long> countsBy(String expression, DeskFilter filter, int limit)
      throws SQLException {
    DeskWhere where = DeskWhere.source(sourceId).matching(filter, topicSql);
    String sql =
        "SELECT "
            + expression
            + ", count(*) FROM "
            + table
            + " WHERE "
            + where.sql()
            + " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?";
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setInt(where.bind(statement, 1), limit);
      return counts(statement);
    }
  }

  private static Map<String, Long> counts(PreparedStatement statement) throws SQLException {
    Map<String, Long> counts = new LinkedHashMap<>();
    try (ResultSet row = statement.executeQuery()) {
      while (row.next()) {
        counts.put(row.getString(1), row.getLong(2));
      }
    }
    return counts;
  }

  Optional<DeskDetail> find(long ordinal) throws SQLException {
    String sql =
        "SELECT "
            + entryColumns
            + """
            , aggregate_type, aggregate_id, topic, content_type, headers, occurred_at, extra::text,
            encode(sha256(payload), 'hex') AS payload_hash, epoch, xid, lsn::text, committed_at,
            requested_by, requested_at, requested_reason
            """
            + " FROM "
            + table
            + " WHERE source = ? AND ordinal = ?";
    return Sql.first(connection, sql, row -> detail(row, ordinal), sourceId, ordinal);
  }

  private DeskDetail detail(ResultSet row, long ordinal) throws SQLException {
    return new DeskDetail(
        entry(row),
        row.getString("aggregate_type"),
        row.getString("aggregate_id"),
        row.getString("topic"),
        row.getString("content_type"),
        row.getString("headers"),
        instant(row, row.findColumn("occurred_at")),
        row.getString("extra"),
        row.getString("payload_hash"),
        row.getLong("epoch"),
        row.getLong("xid"),
        row.getString("lsn"),
        row.getTimestamp("committed_at").toInstant(),
        row.getString("requested_by"),
        instant(row, row.findColumn("requested_at")),
        row.getString("requested_reason"),
        edits(ordinal));
  }

  private List<DeskDetail.Edit> edits(long ordinal) throws SQLException {
    String sql =
        "SELECT edited_at, edited_by, reason, field, "
            + BEFORE
            + " FROM "
            + edits
            + " WHERE source = ? AND ordinal = ? ORDER BY edited_at, field";
    return Sql.list(
        connection,
        sql,
        row ->
            new DeskDetail.Edit(
                row.getTimestamp(1).toInstant(),
                row.getString(2),
                row.getString(3),
                row.getString(4),
                row.getString(5)),
        sourceId,
        ordinal);
  }

  /** Copies a payload as it is; false for a tombstone or when there is no such event. */
  boolean copyPayload(long ordinal, OutputStream to) throws SQLException, IOException {
    String sql = "SELECT payload FROM " + table + " WHERE source = ? AND ordinal = ?";
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setString(1, sourceId);
      statement.setLong(2, ordinal);
      try (ResultSet row = statement.executeQuery()) {
        if (!row.next()) {
          return false;
        }
        try (InputStream payload = row.getBinaryStream(1)) {
          if (payload == null) {
            return false;
          }
          payload.transferTo(to);
          return true;
        }
      }
    }
  }

  private static DeskEntry entry(ResultSet row) throws SQLException {
    return new DeskEntry(
        row.getLong("ordinal"),
        row.getString("state"),
        row.getTimestamp("parked_at").toInstant(),
        row.getString("of_table"),
        row.getString("event_id"),
        row.getString("event_type"),
        row.getString("destination"),
        row.getString("key"),
        number(row, "payload_bytes"),
        row.getBoolean("is_behind"),
        row.getInt("attempts"),
        row.getString("reason"),
        row.getString("requested"),
        row.getBoolean("is_on_its_way"),
        number(row, "published_sequence"),
        instant(row, row.findColumn("settled_at")));
  }

  private static @Nullable Long number(ResultSet row, String column) throws SQLException {
    long value = row.getLong(column);
    return row.wasNull() ? null : value;
  }

  private static @Nullable Instant instant(ResultSet row, int column) throws SQLException {
    @Nullable Timestamp moment = row.getTimestamp(column);
    return moment == null ? null : moment.toInstant();
  }
}
