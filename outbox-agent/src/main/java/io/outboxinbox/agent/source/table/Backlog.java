package io.outboxinbox.agent.source.table;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.InTransaction;
import io.outboxinbox.agent.source.LongText;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.RowReader;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration.Column;
import io.outboxinbox.agent.source.Sql;
import io.outboxinbox.agent.source.outbox.ColumnType;
import io.outboxinbox.agent.source.outbox.OutboxColumns;
import io.outboxinbox.agent.source.outbox.PageLimit;
import io.outboxinbox.agent.source.outbox.PassedRows;
import io.outboxinbox.agent.source.outbox.RowSizes;
import io.outboxinbox.agent.source.outbox.TableRows;
import io.outboxinbox.agent.source.outbox.UuidText;
import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Table {@code outbox_backlog}: ids of rows no slot will ever send, in the order they are to be
 * published.
 */
public final class Backlog {
  private static final int CLEARED_AT_ONCE = 10_000;

  /**
   * Part of the backlog.
   *
   * @param lastOrdinal ordinal of the last row looked at
   * @param rows the rows still in the outbox; a row deleted meanwhile is not among them
   * @param missing how many were deleted meanwhile
   */
  public record Page(long lastOrdinal, List<Captured> rows, int missing) {}

  private final SourceConfiguration source;
  private final OutboxTable outboxTable;
  private final RowReader rows;
  private final String table;
  private final String outbox;

  public Backlog(SourceConfiguration source) {
    this.source = source;
    this.outboxTable = source.outboxes().get(0);
    this.rows = new RowReader(outboxTable);
    this.table = Identifiers.qualified(source.schema(), "outbox_backlog");
    this.outbox = outboxTable.qualified();
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
          "table %s was emptied while its rows were still to be published".formatted(table), null);
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
   * Which rows may have to be published.
   *
   * @param endedXid rows of transactions with a smaller id (64-bit) are published already; 0 when
   *     that is not known of any
   */
  public record Candidates(boolean isNothing, long endedXid) {
    /** Every row. */
    public static final Candidates ALL = new Candidates(false, 0);

    /** No row. */
    public static final Candidates NONE = new Candidates(true, 0);

    /** Rows of transactions that had not ended at the bound. */
    public static Candidates notEndedAt(long endedXid) {
      return new Candidates(false, endedXid);
    }

    private String condition() {
      return "NOT " + PassedRows.isPassed(endedXid);
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
   * @throws AgentException.Misconfigured some of the rows have no id
   */
  public Filled fill(Connection connection, String sourceId, Candidates candidates)
      throws SQLException {
    String id = OutboxColumns.quoted(outboxTable, Column.ID);
    String occurredAt = outboxTable.mappedColumns().get(Column.OCCURRED_AT);
    // Commit order is gone; time of occurrence is nearest to it, else the order of storage.
    String order =
        occurredAt == null ? "tableoid, ctid" : Identifiers.quoted(occurredAt) + ", " + id;
    String sql =
        """
        INSERT INTO %s (source, ordinal, event_id)
        SELECT ?, row_number() OVER (ORDER BY %s), %s FROM %s WHERE %s
        """
            .formatted(table, order, OutboxColumns.logText(id), outbox, candidates.condition());
    refuseRowsWithoutId(connection, candidates);
    long written = Sql.update(connection, sql, sourceId);
    long parked = removeParked(connection, sourceId);
    return new Filled(
        count(connection),
        written - parked,
        parked,
        new ToldTimes(source).oldest(connection, sourceId));
  }

  /**
   * Looks for rows without an id: nobody could tell which of them are published. The log brings
   * such rows one by one.
   *
   * @param connection without a limit to the time of an answer: the whole table may be read
   * @throws AgentException.Misconfigured there are some
   */
  public void refuseRowsWithoutId(Connection connection, Candidates candidates)
      throws SQLException {
    String id = OutboxColumns.quoted(outboxTable, Column.ID);
    String sql =
        "SELECT count(*) FROM %s WHERE %s IS NULL AND %s"
            .formatted(outbox, id, candidates.condition());
    boolean isRequired =
        CatalogQuery.one(
            connection,
            "SELECT attnotnull FROM pg_attribute WHERE attrelid = ?::regclass AND attname = ?",
            row -> row.getBoolean(1),
            outbox,
            String.valueOf(outboxTable.mappedColumns().get(Column.ID)));
    if (isRequired) {
      return;
    }
    long nameless = Sql.one(connection, sql, row -> row.getLong(1));
    if (nameless > 0) {
      throw new AgentException.Misconfigured(
          "%d rows of table %s have no %s, so nobody could tell which of them are published"
              .formatted(nameless, outbox, id),
          "delete those that were published or parked already, and give each of the others an id of its own; keep more from coming: ALTER TABLE %s ALTER COLUMN %s SET NOT NULL"
              .formatted(outbox, id));
    }
  }

  private long removeParked(Connection connection, String sourceId) throws SQLException {
    String sql =
        """
        DELETE FROM %s b USING %s p
        WHERE b.source = ? AND p.source = b.source AND %s
          AND p.state IN ('waiting', 'discarded')
        """
            .formatted(
                table,
                Identifiers.qualified(source.schema(), "outbox_parked"),
                LongText.isSame("b.event_id", "p.event_id"));
    return Sql.update(connection, sql, sourceId);
  }

  /**
   * How many rows the outbox has.
   *
   * @throws SQLException as the server says
   */
  public long count(Connection connection) throws SQLException {
    return count(connection, Candidates.ALL);
  }

  /** How many rows may have to be published, without writing any down. */
  public long count(Connection connection, Candidates candidates) throws SQLException {
    String sql = "SELECT count(*) FROM %s WHERE %s".formatted(outbox, candidates.condition());
    return Sql.one(connection, sql, row -> row.getLong(1));
  }

  /**
   * A condition, true where the outbox has the row of an id.
   *
   * @param id the id as text, in SQL; anything an operator may have written
   */
  public String contains(Connection connection, String id) throws SQLException {
    ColumnType type = ColumnType.of(connection, outboxTable, Column.ID);
    String column = "o." + OutboxColumns.quoted(outboxTable, Column.ID);
    // With the type of the column, so that its index serves; and no text is cast that is none. Of
    // digits the column decides whether it can hold them: numbers of two types can be compared.
    String isSame =
        switch (type.name()) {
          case "uuid" ->
              "%s = CASE WHEN %s THEN %s::uuid END".formatted(column, UuidText.isUuid(id), id);
          case "bigint", "integer", "smallint" ->
              "%s = CASE WHEN %s ~ '^-?[0-9]{1,19}$' THEN CASE WHEN %2$s::numeric BETWEEN %d AND %d THEN %2$s::bigint END END"
                  .formatted(column, id, Long.MIN_VALUE, Long.MAX_VALUE);
          default -> type.isSame(column, id);
        };
    return "EXISTS (SELECT FROM %s o WHERE %s)".formatted(outbox, isSame);
  }

  /** Whether ids are unique in the world, and not only in their table. */
  public boolean hasUuids(Connection connection) throws SQLException {
    return ColumnType.of(connection, outboxTable, Column.ID).name().equals("uuid");
  }

  /**
   * Takes ids out that turned out to be published.
   *
   * @return the rows that were there; several where rows share an id
   */
  public List<Numbered> remove(Connection connection, String sourceId, List<String> ids)
      throws SQLException {
    String sql =
        "DELETE FROM %s WHERE source = ? AND %s RETURNING event_id, ordinal"
            .formatted(table, LongText.isOneOf("event_id"));
    Array texts = connection.createArrayOf("text", ids.toArray());
    return Sql.list(connection, sql, Backlog::numbered, sourceId, texts, texts);
  }

  /** A row of the list. */
  public record Numbered(String id, long ordinal) {}

  /** The ids and ordinals of a page; its rows do not tell them. */
  public Map<String, Long> ordinals(Connection connection, String sourceId, long after, long last)
      throws SQLException {
    String sql =
        "SELECT event_id, ordinal FROM "
            + table
            + " WHERE source = ? AND ordinal > ? AND ordinal <= ?";
    return byId(Sql.list(connection, sql, Backlog::numbered, sourceId, after, last));
  }

  /** The latest of each id. */
  public static Map<String, Long> byId(List<Numbered> rows) {
    Map<String, Long> ordinals = new HashMap<>();
    rows.forEach(row -> ordinals.merge(row.id(), row.ordinal(), Math::max));
    return ordinals;
  }

  private static Numbered numbered(ResultSet row) throws SQLException {
    return new Numbered(row.getString(1), row.getLong(2));
  }

  /** Which of the ids no row of the outbox has; only for tables with UUIDs. */
  public Set<String> missing(Connection connection, List<String> ids) throws SQLException {
    String sql =
        """
        SELECT i.id::text FROM pg_catalog.unnest(?::uuid[]) AS i(id)
        WHERE NOT EXISTS (SELECT FROM %s o WHERE o.%s = i.id)
        """
            .formatted(outbox, OutboxColumns.quoted(outboxTable, Column.ID));
    Array texts = connection.createArrayOf("text", ids.toArray());
    return Set.copyOf(Sql.list(connection, sql, row -> row.getString(1), texts));
  }

  /**
   * Reads the next rows.
   *
   * @param connection in auto-commit mode, and left in it
   * @param after ordinal of the last row already published, 0 at first
   * @param position the seed; rows of the backlog have none of their own
   * @return no rows and {@code lastOrdinal} equal to {@code after} at the end
   */
  public Page read(
      Connection connection, String sourceId, long after, PageLimit limit, SourcePosition position)
      throws SQLException {
    // Rows that share an id come together, in the place of the first.
    String from =
        """
        FROM (
          SELECT l.ordinal, l.event_id, EXISTS (
            SELECT FROM %1$s e
            WHERE e.source = l.source AND e.ordinal < l.ordinal AND %3$s)
            AS is_repeat
          FROM %1$s l WHERE l.source = ? AND l.ordinal > ? ORDER BY l.ordinal LIMIT ?) b
        LEFT JOIN %2$s o ON %4$s AND NOT b.is_repeat
        ORDER BY b.ordinal
        """
            .formatted(
                table,
                outbox,
                LongText.isSame("e.event_id", "l.event_id"),
                ColumnType.of(connection, outboxTable, Column.ID)
                    .isExactly("o." + OutboxColumns.quoted(outboxTable, Column.ID), "b.event_id"));
    String sizes = "SELECT " + RowSizes.sql(connection, outbox) + " " + from;
    String rows =
        "SELECT b.ordinal, b.is_repeat, o.%s IS NOT NULL AS is_present, o.* %s"
            .formatted(OutboxColumns.quoted(outboxTable, Column.ID), from);
    return InTransaction.run(
        connection,
        () -> {
          try (PreparedStatement size = connection.prepareStatement(sizes);
              PreparedStatement read = connection.prepareStatement(rows)) {
            RowSizes.freeze(connection);
            bind(size, sourceId, after, limit.rows());
            bind(read, sourceId, after, RowSizes.countWithin(size, limit.bytes()));
            try (ResultSet result = read.executeQuery()) {
              return page(result, after, position);
            }
          }
        });
  }

  private static void bind(PreparedStatement page, String sourceId, long after, int rows)
      throws SQLException {
    page.setString(1, sourceId);
    page.setLong(2, after);
    page.setInt(3, rows);
  }

  private Page page(ResultSet result, long after, SourcePosition position) throws SQLException {
    TableRows table = new TableRows(result, rows, outbox);
    List<Captured> captured = new ArrayList<>();
    long last = after;
    int missing = 0;
    while (result.next()) {
      last = result.getLong("ordinal");
      if (!result.getBoolean("is_present")) {
        if (!result.getBoolean("is_repeat")) {
          missing++;
          captured.add(new Captured.Absent());
        }
        continue;
      }
      captured.add(row(table.values(), position));
    }
    return new Page(last, captured, missing);
  }

  private Captured row(Map<String, @Nullable Object> values, SourcePosition position) {
    Instant now = Instant.now();
    try {
      return new Captured.Row(position, now, rows.read(values::get));
    } catch (RowReader.BadRowException e) {
      return new Captured.BadRow(
          position, now, rows.raw(values::get), String.valueOf(e.getMessage()));
    }
  }
}
