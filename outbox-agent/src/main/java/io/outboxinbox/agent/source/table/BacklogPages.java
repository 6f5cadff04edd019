package io.outboxinbox.agent.source.table;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.event.WayOut;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.InTransaction;
import io.outboxinbox.agent.source.LongText;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.RowReader;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration.Column;
import io.outboxinbox.agent.source.outbox.ColumnType;
import io.outboxinbox.agent.source.outbox.OutboxColumns;
import io.outboxinbox.agent.source.outbox.PageLimit;
import io.outboxinbox.agent.source.outbox.RowSizes;
import io.outboxinbox.agent.source.outbox.TableRows;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reads the rows of a backlog, page by page. A page may hold rows of several tables: each is asked
 * for its own, and they come in the order of the list.
 */
public final class BacklogPages {
  private final List<OutboxTable> outboxes;
  private final String table;

  BacklogPages(SourceConfiguration source) {
    this.outboxes = source.outboxes();
    this.table = Identifiers.qualified(source.schema(), "outbox_backlog");
  }

  /**
   * Part of the backlog.
   *
   * @param lastOrdinal ordinal of the last row looked at
   * @param rows the rows still in the outbox; a row deleted meanwhile is not among them
   * @param missing how many were deleted meanwhile
   */
  public record Page(long lastOrdinal, List<Captured> rows, int missing) {}

  /**
   * A place in the list.
   *
   * @param row null for one whose row came in the place of an earlier one of its id
   */
  private record Place(long ordinal, @Nullable Captured row) {}

  /**
   * Reads the next rows.
   *
   * @param connection in auto-commit mode, and left in it
   * @param after ordinal of the last row already published, 0 at first
   * @param position the seed; rows of the backlog have none of their own
   * @return no rows and {@code lastOrdinal} equal to {@code after} at the end
   */
  Page read(
      Connection connection, String sourceId, long after, PageLimit limit, SourcePosition position)
      throws SQLException {
    String sizes = sizes(connection);
    List<String> rows = new ArrayList<>();
    for (OutboxTable outbox : outboxes) {
      rows.add(rows(connection, outbox));
    }
    return InTransaction.run(
        connection,
        () -> {
          RowSizes.freeze(connection);
          int count;
          try (PreparedStatement size = connection.prepareStatement(sizes)) {
            bind(size, sourceId, after, limit.rows());
            count = RowSizes.countWithin(size, limit.bytes());
          }
          List<Place> places = new ArrayList<>();
          for (int i = 0; i < outboxes.size(); i++) {
            try (PreparedStatement read = connection.prepareStatement(rows.get(i))) {
              bind(read, sourceId, after, count);
              addPlaces(places, read, outboxes.get(i), position);
            }
          }
          requireAll(places, count);
          return page(places, after);
        });
  }

  private boolean isOfOne() {
    return outboxes.size() == 1;
  }

  /** Rows that share an id come together, in the place of the first. */
  private String listed() {
    return """
        FROM (
          SELECT l.ordinal, l.event_id%4$s, EXISTS (
            SELECT FROM %1$s e
            WHERE e.source = l.source AND e.ordinal < l.ordinal AND %2$s%3$s)
            AS is_repeat
          FROM %1$s l WHERE l.source = ? AND l.ordinal > ? ORDER BY l.ordinal LIMIT ?) b
        """
        .formatted(
            table,
            LongText.isSame("e.event_id", "l.event_id"),
            isOfOne() ? "" : " AND e.source_table = l.source_table",
            isOfOne() ? "" : ", l.source_table");
  }

  private String joined(Connection connection, OutboxTable outbox, String alias)
      throws SQLException {
    String id =
        isOfOne()
            ? "b.event_id"
            // An id of another table may be none that the type of this one takes.
            : "(CASE WHEN %s THEN b.event_id END)".formatted(isOf(outbox));
    return "LEFT JOIN %s %s ON %s AND NOT b.is_repeat\n"
        .formatted(
            outbox.qualified(),
            alias,
            ColumnType.of(connection, outbox, Column.ID)
                .isExactly(alias + "." + OutboxColumns.quoted(outbox, Column.ID), id));
  }

  private static String isOf(OutboxTable outbox) {
    return "b.source_table = " + Identifiers.literal(outbox.name());
  }

  private String sizes(Connection connection) throws SQLException {
    StringBuilder size = new StringBuilder();
    StringBuilder joins = new StringBuilder();
    for (int i = 0; i < outboxes.size(); i++) {
      OutboxTable outbox = outboxes.get(i);
      String alias = isOfOne() ? "o" : "o" + i;
      String sql = RowSizes.sql(connection, outbox.qualified(), alias);
      size.append(isOfOne() ? sql : " WHEN %s THEN %s".formatted(isOf(outbox), sql));
      joins.append(joined(connection, outbox, alias));
    }
    return "SELECT %s %s%sORDER BY b.ordinal"
        .formatted(isOfOne() ? size : "CASE" + size + " END", listed(), joins);
  }

  private String rows(Connection connection, OutboxTable outbox) throws SQLException {
    return "SELECT b.ordinal, b.is_repeat, o.%s IS NOT NULL AS is_present, o.* %s%s%sORDER BY b.ordinal"
        .formatted(
            OutboxColumns.quoted(outbox, Column.ID),
            listed(),
            joined(connection, outbox, "o"),
            isOfOne() ? "" : "WHERE " + isOf(outbox) + "\n");
  }

  private static void bind(PreparedStatement page, String sourceId, long after, int rows)
      throws SQLException {
    page.setString(1, sourceId);
    page.setLong(2, after);
    page.setInt(3, rows);
  }

  private static void addPlaces(
      List<Place> places, PreparedStatement read, OutboxTable outbox, SourcePosition position)
      throws SQLException {
    RowReader reader = new RowReader(outbox);
    try (ResultSet result = read.executeQuery()) {
      TableRows rows = new TableRows(result, reader, outbox.qualified());
      while (result.next()) {
        long ordinal = result.getLong("ordinal");
        if (result.getBoolean("is_present")) {
          places.add(new Place(ordinal, row(reader, rows.values(), position)));
        } else {
          places.add(
              new Place(ordinal, result.getBoolean("is_repeat") ? null : new Captured.Absent()));
        }
      }
    }
  }

  /** A row of no table that is asked would be passed over. */
  private void requireAll(List<Place> places, int count) {
    if (!isOfOne() && places.stream().mapToLong(Place::ordinal).distinct().count() < count) {
      throw new AgentException.Misconfigured(
          "table %s has rows of a table that is not configured".formatted(table), WayOut.RECONCILE);
    }
  }

  private static Page page(List<Place> places, long after) {
    places.sort(Comparator.comparingLong(Place::ordinal));
    List<Captured> rows = new ArrayList<>();
    long last = after;
    int missing = 0;
    for (Place place : places) {
      last = place.ordinal();
      if (place.row() != null) {
        rows.add(place.row());
        missing += place.row() instanceof Captured.Absent ? 1 : 0;
      }
    }
    return new Page(last, rows, missing);
  }

  private static Captured row(
      RowReader reader, Map<String, @Nullable Object> values, SourcePosition position) {
    Instant now = Instant.now();
    try {
      return new Captured.Row(position, now, reader.read(values::get));
    } catch (RowReader.BadRowException e) {
      return new Captured.BadRow(
          position, now, reader.raw(values::get), String.valueOf(e.getMessage()));
    }
  }
}
