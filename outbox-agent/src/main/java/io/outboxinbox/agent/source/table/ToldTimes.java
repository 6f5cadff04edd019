package io.outboxinbox.agent.source.table;

import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration.Column;
import io.outboxinbox.agent.source.Sql;
import io.outboxinbox.agent.source.outbox.ColumnType;
import io.outboxinbox.agent.source.outbox.OutboxColumns;
import io.outboxinbox.agent.source.outbox.UuidText;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What the rows of a backlog tell of the time they were written; clocks of applications say it. */
public final class ToldTimes {
  /**
   * How far the clocks of applications, database and agent may be apart. A guess, and a generous
   * one: reading an hour more of the topics costs seconds, a repeat costs trust.
   */
  public static final Duration CLOCKS_APART = Duration.ofHours(1);

  private static final String IS_UUID7 = UuidText.isUuid7("b.event_id");

  private final List<OutboxTable> outboxes;
  private final String table;

  public ToldTimes(SourceConfiguration source) {
    this.outboxes = source.outboxes();
    this.table = Identifiers.qualified(source.schema(), "outbox_backlog");
  }

  /**
   * The oldest time any candidate tells, from its id (UUIDv7) or the time it says it happened,
   * whichever is earlier. None where one tells a time to come: it was published before that, and
   * whoever is ahead once may be ahead with others too.
   */
  @Nullable Instant oldest(Connection connection, String sourceId) throws SQLException {
    List<String> times = new ArrayList<>();
    for (OutboxTable outbox : outboxes) {
      times.add(times(connection, outbox));
    }
    String sql =
        """
        SELECT min(t.told), bool_or(t.told IS NULL OR NOT isfinite(t.told)
          OR t.told > now() + make_interval(secs => %d))
        FROM (%s) t
        """
            .formatted(CLOCKS_APART.toSeconds(), String.join(" UNION ALL ", times));
    return Sql.one(
            connection, sql, ToldTimes::told, Collections.nCopies(times.size(), sourceId).toArray())
        .orElse(null);
  }

  private String times(Connection connection, OutboxTable outbox) throws SQLException {
    String of =
        outboxes.size() == 1 ? "" : "b.source_table = " + Identifiers.literal(outbox.name());
    String id =
        // An id of another table may be none that the type of this one takes.
        of.isEmpty() ? "b.event_id" : "(CASE WHEN %s THEN b.event_id END)".formatted(of);
    return "SELECT %s AS told FROM %s b JOIN %s o ON %s WHERE b.source = ?%s"
        .formatted(
            toldTime(connection, outbox),
            table,
            outbox.qualified(),
            ColumnType.of(connection, outbox, Column.ID)
                .isExactly("o." + OutboxColumns.quoted(outbox, Column.ID), id),
            of.isEmpty() ? "" : " AND " + of);
  }

  private static Optional<Instant> told(ResultSet row) throws SQLException {
    return row.getBoolean(2)
        ? Optional.empty()
        : Optional.ofNullable(row.getTimestamp(1)).map(Timestamp::toInstant);
  }

  private static String toldTime(Connection connection, OutboxTable outbox) throws SQLException {
    String ofId = UuidText.time("b.event_id");
    if (!outbox.mappedColumns().containsKey(Column.OCCURRED_AT)) {
      return ofId;
    }
    ColumnType type = ColumnType.of(connection, outbox, Column.OCCURRED_AT);
    return "LEAST(%s, %s)"
        .formatted(
            ofId,
            OutboxColumns.instant(
                "o." + OutboxColumns.quoted(outbox, Column.OCCURRED_AT), type.name()));
  }

  /** How many rows written down tell their time by no UUIDv7, but at most by what they say. */
  public long countWithoutTimeInId(Connection connection, String sourceId) throws SQLException {
    String sql =
        "SELECT count(*) FROM %s b WHERE b.source = ? AND NOT (%s)".formatted(table, IS_UUID7);
    return Sql.one(connection, sql, row -> row.getLong(1), sourceId);
  }
}
