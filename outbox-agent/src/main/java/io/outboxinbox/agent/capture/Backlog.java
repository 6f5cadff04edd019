package io.outboxinbox.agent.capture;

import io.outboxinbox.agent.capture.SourceConfiguration.Column;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.SourcePosition;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Table {@code outbox_backlog}: ids of rows no slot will ever send, in the order they are to be
 * published.
 */
public final class Backlog {

  /**
   * Part of the backlog.
   *
   * @param lastOrdinal ordinal of the last row looked at
   * @param rows the rows still in the outbox; a row deleted meanwhile is not among them
   * @param missing how many were deleted meanwhile
   */
  public record Page(long lastOrdinal, List<Captured> rows, int missing) {}

  /** Payloads may be a megabyte each, so few rows are fetched at a time. */
  private static final int FETCH_ROWS = 100;

  private final SourceConfiguration source;
  private final RowReader rows;
  private final String table;
  private final String outbox;

  public Backlog(SourceConfiguration source) {
    this.source = source;
    this.rows = new RowReader(source);
    this.table = Identifiers.qualified(source.schema(), "outbox_backlog");
    this.outbox = Identifiers.qualified(source.schema(), source.table());
  }

  /** Whether rows are written down that may still have to be published. */
  public boolean exists(Connection connection, String sourceId) throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement("SELECT 1 FROM " + table + " WHERE source = ? LIMIT 1")) {
      statement.setString(1, sourceId);
      try (ResultSet row = statement.executeQuery()) {
        return row.next();
      }
    }
  }

  /** Forgets a source's backlog. */
  public void clear(Connection connection, String sourceId) throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement("DELETE FROM " + table + " WHERE source = ?")) {
      statement.setString(1, sourceId);
      statement.executeUpdate();
    }
  }

  /**
   * Writes down every row the connection's snapshot shows.
   *
   * @return how many
   */
  long fill(Connection connection, String sourceId) throws SQLException {
    String id = column(Column.ID);
    String occurredAt = source.mappedColumns().get(Column.OCCURRED_AT);
    // Commit order is gone; time of occurrence is nearest to it, else the order of storage.
    String order =
        occurredAt == null ? "tableoid, ctid" : Identifiers.quoted(occurredAt) + ", " + id;
    String sql =
        "INSERT INTO "
            + table
            + " (source, ordinal, event_id) SELECT ?, row_number() OVER (ORDER BY "
            + order
            + "), "
            + id
            + "::text FROM "
            + outbox;
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setString(1, sourceId);
      return statement.executeLargeUpdate();
    }
  }

  /**
   * How much one page may hold.
   *
   * @param rows at most this many
   * @param bytes the row that reaches this many payload bytes is the page's last
   */
  public record Limit(int rows, long bytes) {}

  /**
   * Reads the next rows.
   *
   * @param connection in auto-commit mode, and left in it
   * @param after ordinal of the last row already published, 0 at first
   * @param position the seed; rows of the backlog have none of their own
   * @return no rows and {@code lastOrdinal} equal to {@code after} at the end
   */
  public Page read(
      Connection connection, String sourceId, long after, Limit limit, SourcePosition position)
      throws SQLException {
    String sql =
        """
        SELECT b.ordinal, o.%1$s IS NOT NULL AS is_present, o.*
        FROM %2$s b LEFT JOIN %3$s o ON o.%1$s = b.event_id::%4$s
        WHERE b.source = ? AND b.ordinal > ?
        ORDER BY b.ordinal
        LIMIT ?
        """
            .formatted(column(Column.ID), table, outbox, idType(connection));
    // Only inside a transaction does the driver fetch in portions instead of all at once.
    connection.setAutoCommit(false);
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setFetchSize(FETCH_ROWS);
      statement.setString(1, sourceId);
      statement.setLong(2, after);
      statement.setInt(3, limit.rows());
      try (ResultSet result = statement.executeQuery()) {
        return page(result, after, limit, position);
      }
    } finally {
      connection.rollback();
      connection.setAutoCommit(true);
    }
  }

  private Page page(ResultSet result, long after, Limit limit, SourcePosition position)
      throws SQLException {
    List<Captured> captured = new ArrayList<>();
    long last = after;
    long bytes = 0;
    int missing = 0;
    while (bytes < limit.bytes() && result.next()) {
      last = result.getLong("ordinal");
      if (!result.getBoolean("is_present")) {
        missing++;
        continue;
      }
      Captured row = row(values(result), position);
      captured.add(row);
      if (row instanceof Captured.Row event && event.event().payload() != null) {
        bytes += event.event().payload().length;
      } else if (row instanceof Captured.BadRow bad) {
        bytes += bad.row().payloadBytes();
      }
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

  private static Map<String, @Nullable Object> values(ResultSet result) throws SQLException {
    Map<String, @Nullable Object> values = new HashMap<>();
    var columns = result.getMetaData();
    for (int i = 1; i <= columns.getColumnCount(); i++) {
      values.put(columns.getColumnLabel(i), result.getObject(i));
    }
    return values;
  }

  /** Cast to, so that the join can use the outbox's primary key. */
  private String idType(Connection connection) throws SQLException {
    String sql =
        """
        SELECT format_type(atttypid, atttypmod) FROM pg_attribute
        WHERE attrelid = ?::regclass AND attname = ?
        """;
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setString(1, outbox);
      statement.setString(2, source.mappedColumns().get(Column.ID));
      try (ResultSet row = statement.executeQuery()) {
        if (!row.next()) {
          throw new SQLException(
              "table " + outbox + " has no column " + column(Column.ID).toLowerCase(Locale.ROOT));
        }
        return row.getString(1);
      }
    }
  }

  private String column(Column column) {
    return Identifiers.quoted(
        java.util.Objects.requireNonNull(source.mappedColumns().get(column), column.name()));
  }
}
