package io.outboxinbox.agent.source.table;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.LongText;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration.Column;
import io.outboxinbox.agent.source.Sql;
import io.outboxinbox.agent.source.outbox.Candidates;
import io.outboxinbox.agent.source.outbox.ColumnType;
import io.outboxinbox.agent.source.outbox.OutboxColumns;
import io.outboxinbox.agent.source.outbox.Outboxes;
import io.outboxinbox.agent.source.outbox.PageLimit;
import io.outboxinbox.agent.source.outbox.UuidText;
import java.sql.Array;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Table {@code outbox_backlog}: ids of rows no slot will ever send, in the order they are to be
 * published. One numbering for all tables of the source.
 */
public final class Backlog {
  private static final int CLEARED_AT_ONCE = 10_000;

  /** What a statement for people may name. */
  private static final int NAMED_MAX = 20;

  private final SourceConfiguration source;
  private final List<OutboxTable> outboxes;
  private final BacklogPages pages;
  private final String table;
  private final String parked;

  public Backlog(SourceConfiguration source) {
    this.source = source;
    this.outboxes = source.outboxes();
    this.pages = new BacklogPages(source);
    this.table = Identifiers.qualified(source.schema(), "outbox_backlog");
    this.parked = Identifiers.qualified(source.schema(), "outbox_parked");
  }

  /** Whether rows are written down that may still have to be published. */
  public boolean exists(Connection connection, String sourceId) throws SQLException {
    String sql = "SELECT 1 FROM " + table + " WHERE source = ? LIMIT 1";
    return Sql.first(connection, sql, row -> true, sourceId).isPresent();
  }

  /**
   * Number of the last row written down.
   *
   * @throws AgentException.Retryable there is none, so the list was emptied since it was written
   */
  public long end(Connection connection, String sourceId) throws SQLException {
    String sql = "SELECT max(ordinal) FROM " + table + " WHERE source = ?";
    long end = Sql.one(connection, sql, row -> row.getLong(1), sourceId);
    if (end == 0) {
      throw new AgentException.Retryable(
          "table %s was emptied while its rows were still to be published".formatted(table));
    }
    return end;
  }

  /** Forgets a source's backlog, in portions that each take a moment, however long it is. */
  public void clear(Connection connection, String sourceId) throws SQLException {
    // From where the last one ended: inside a transaction what was deleted is still passed over.
    String sql =
        """
        WITH gone AS (
          DELETE FROM %1$s WHERE source = ? AND ordinal > ? AND ordinal <= (
            SELECT max(ordinal) FROM (
              SELECT ordinal FROM %1$s WHERE source = ? AND ordinal > ? ORDER BY ordinal LIMIT %2$d) p)
          RETURNING ordinal)
        SELECT coalesce(max(ordinal), 0) FROM gone
        """
            .formatted(table, CLEARED_AT_ONCE);
    for (long after = 0, next = 1; next > 0; after = next) {
      next = Sql.one(connection, sql, row -> row.getLong(1), sourceId, after, sourceId, after);
    }
  }

  /**
   * What was written down.
   *
   * @param candidates rows written down, without those parked
   * @param parked rows that would have been candidates but are parked, or were discarded
   * @param oldest no candidate was written before, as far as clocks were right; null when they do
   *     not tell, or one tells a time to come
   */
  public record Filled(long rowsInTable, long candidates, long parked, @Nullable Instant oldest) {
    /** Nothing was looked at. */
    public static final Filled NOTHING = new Filled(0, 0, 0, null);
  }

  /**
   * Writes down rows the connection's snapshot shows, but none that is parked: parked events have a
   * way of their own.
   *
   * @throws AgentException.Misconfigured some of the rows have no id, or nobody can tell which
   *     table a parked event is of
   */
  public Filled fill(
      Connection connection, String sourceId, Function<OutboxTable, Candidates> candidates)
      throws SQLException {
    Outboxes all = new Outboxes(outboxes);
    all.refuseRowsWithoutId(connection, candidates);
    long written =
        isOfOne()
            ? fill(connection, sourceId, outboxes.get(0), candidates.apply(outboxes.get(0)))
            : fillFromSeveral(connection, sourceId, candidates);
    long without = removeParked(connection, sourceId);
    return new Filled(
        all.count(connection),
        written - without,
        without,
        new ToldTimes(source).oldest(connection, sourceId));
  }

  private boolean isOfOne() {
    return outboxes.size() == 1;
  }

  private long fill(
      Connection connection, String sourceId, OutboxTable outbox, Candidates candidates)
      throws SQLException {
    String sql =
        """
        INSERT INTO %s (source, ordinal, event_id)
        SELECT ?, row_number() OVER (ORDER BY %s), %s FROM %s WHERE %s
        """
            .formatted(
                table,
                order(outbox),
                OutboxColumns.logText(OutboxColumns.quoted(outbox, Column.ID)),
                outbox.qualified(),
                candidates.condition());
    return Sql.update(connection, sql, sourceId);
  }

  /** Commit order is gone; time of occurrence is nearest to it, else the order of storage. */
  private static String order(OutboxTable outbox) {
    @Nullable String occurredAt = outbox.mappedColumns().get(Column.OCCURRED_AT);
    return occurredAt == null
        ? "tableoid, ctid"
        : Identifiers.quoted(occurredAt) + ", " + OutboxColumns.quoted(outbox, Column.ID);
  }

  /**
   * In the order of the times that rows tell, so that what an aggregate has in two tables comes as
   * it says; those that tell none come first. Of the same time, in the order of the list, and of
   * one table in its own.
   */
  private long fillFromSeveral(
      Connection connection, String sourceId, Function<OutboxTable, Candidates> candidates)
      throws SQLException {
    List<String> rows = new ArrayList<>();
    for (OutboxTable outbox : outboxes) {
      String id = OutboxColumns.logText(OutboxColumns.quoted(outbox, Column.ID));
      rows.add(
          """
          SELECT %s AS told, %d AS place, row_number() OVER (ORDER BY %s) AS nth,
                 %s AS event_id, %s AS source_table
            FROM %s WHERE %s
          """
              .formatted(
                  toldTime(connection, outbox, id),
                  rows.size(),
                  order(outbox),
                  id,
                  Identifiers.literal(outbox.name()),
                  outbox.qualified(),
                  candidates.apply(outbox).condition()));
    }
    String sql =
        """
        INSERT INTO %s (source, ordinal, event_id, source_table)
        SELECT ?, row_number() OVER (ORDER BY told NULLS FIRST, place, nth), event_id, source_table
          FROM (%s) AS candidate
        """
            .formatted(table, String.join(" UNION ALL ", rows));
    return Sql.update(connection, sql, sourceId);
  }

  private static String toldTime(Connection connection, OutboxTable outbox, String id)
      throws SQLException {
    if (!outbox.mappedColumns().containsKey(Column.OCCURRED_AT)) {
      return UuidText.time(id);
    }
    ColumnType type = ColumnType.of(connection, outbox, Column.OCCURRED_AT);
    String occurredAt =
        OutboxColumns.instant(OutboxColumns.quoted(outbox, Column.OCCURRED_AT), type.name());
    return "coalesce(%s, %s)".formatted(occurredAt, UuidText.time(id));
  }

  private long removeParked(Connection connection, String sourceId) throws SQLException {
    String isSame =
        "b.source = ? AND p.source = b.source AND "
            + LongText.isSame("b.event_id", "p.event_id")
            + " AND p.state IN ('waiting', 'discarded')";
    if (!isOfOne()) {
      refuseParkedOfUnknownTable(connection, sourceId, isSame);
    }
    String sql =
        "DELETE FROM %s b USING %s p WHERE %s AND %s"
            .formatted(
                table,
                parked,
                isSame,
                isOfOne()
                    ? "NOT " + outboxes.get(0).isOther("p.source_table")
                    : "p.source_table = b.source_table");
    return Sql.update(connection, sql, sourceId);
  }

  /**
   * A row whose id such an event has might be published once more, or not at all.
   *
   * @param isSame condition on a row {@code b} and a parked event {@code p}
   */
  private void refuseParkedOfUnknownTable(Connection connection, String sourceId, String isSame)
      throws SQLException {
    String isUnknown =
        "(p.source_table IN (%s) OR %s) IS NOT TRUE"
            .formatted(
                outboxes.stream()
                    .map(OutboxTable::name)
                    .map(Identifiers::literal)
                    .collect(Collectors.joining(", ")),
                OutboxTable.exists(source.schema(), "p.source_table"));
    String from = "FROM %s b, %s p WHERE %s AND %s".formatted(table, parked, isSame, isUnknown);
    List<Long> unknown =
        Sql.list(
            connection,
            "SELECT DISTINCT p.ordinal " + from + " ORDER BY p.ordinal LIMIT " + NAMED_MAX,
            row -> row.getLong(1),
            sourceId);
    if (!unknown.isEmpty()) {
      String which =
          "WHERE source = %s AND ordinal IN (%s)"
              .formatted(
                  Identifiers.literal(sourceId),
                  unknown.stream().map(String::valueOf).collect(Collectors.joining(", ")));
      throw new AgentException.Misconfigured(
          "parked events %s of source %s do not say of which table they are, or one that is not there, and a row that may not be published yet has the same id"
              .formatted(unknown, sourceId),
          "say which one it is: UPDATE %s SET source_table = '<table>' %s; of a table that was dropped for good: DELETE FROM %1$s %2$s"
              .formatted(parked, which));
    }
  }

  /**
   * A row as messages name it.
   *
   * @param table null where a message does not say; then of any
   */
  public record RowId(@Nullable String table, String id) {}

  /**
   * Takes rows out that turned out to be published.
   *
   * @return those that were there; several where rows share an id
   */
  public List<Numbered> remove(Connection connection, String sourceId, List<RowId> rows)
      throws SQLException {
    Array ids = connection.createArrayOf("text", rows.stream().map(RowId::id).toArray());
    if (isOfOne()) {
      String sql =
          "DELETE FROM %s WHERE source = ? AND %s RETURNING event_id, ordinal, source_table"
              .formatted(table, LongText.isOneOf("event_id"));
      return Sql.list(connection, sql, this::readNumbered, sourceId, ids, ids);
    }
    String sql =
        """
        DELETE FROM %s b
        USING ROWS FROM (pg_catalog.unnest(?::text[]), pg_catalog.unnest(?::text[]))
          AS found(id, of_table)
        WHERE b.source = ? AND %s AND (found.of_table IS NULL OR found.of_table = b.source_table)
        RETURNING b.event_id, b.ordinal, b.source_table
        """
            .formatted(table, LongText.isSame("b.event_id", "found.id"));
    Array tables = connection.createArrayOf("text", rows.stream().map(RowId::table).toArray());
    return Sql.list(connection, sql, this::readNumbered, ids, tables, sourceId);
  }

  /** A row of the list. */
  public record Numbered(String table, String id, long ordinal) {}

  /** The rows of a page with their ordinals; its events do not tell them. */
  public List<Numbered> numbered(Connection connection, String sourceId, long after, long last)
      throws SQLException {
    String sql =
        "SELECT event_id, ordinal, source_table FROM %s WHERE source = ? AND ordinal > ? AND ordinal <= ?"
            .formatted(table);
    return Sql.list(connection, sql, this::readNumbered, sourceId, after, last);
  }

  /**
   * The latest ordinal of each row, and of each id whichever table it is of.
   *
   * @return with a null table for the latter
   */
  public static Map<RowId, Long> latest(List<Numbered> rows) {
    Map<RowId, Long> ordinals = new HashMap<>();
    for (Numbered row : rows) {
      ordinals.merge(new RowId(row.table(), row.id()), row.ordinal(), Math::max);
      ordinals.merge(new RowId(null, row.id()), row.ordinal(), Math::max);
    }
    return ordinals;
  }

  private Numbered readNumbered(ResultSet row) throws SQLException {
    // The list of one table names none.
    @Nullable String of = row.getString(3);
    return new Numbered(of == null ? outboxes.get(0).name() : of, row.getString(1), row.getLong(2));
  }

  /** {@link BacklogPages#read}. */
  public BacklogPages.Page read(
      Connection connection, String sourceId, long after, PageLimit limit, SourcePosition position)
      throws SQLException {
    return pages.read(connection, sourceId, after, limit, position);
  }
}
