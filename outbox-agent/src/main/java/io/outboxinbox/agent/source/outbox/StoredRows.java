package io.outboxinbox.agent.source.outbox;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.source.InTransaction;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.RowReader;
import io.outboxinbox.agent.source.SourceConfiguration.Column;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Reads events from the outbox table itself, in the order of their ids, page by page. */
public final class StoredRows {
  /** No agent keeps a position of the source, so whoever asks for its rows answers for them. */
  public static final long NO_POSITION = -1;

  private static final String IS_PUBLISHED = "outbox_agent_is_published";

  /**
   * Which rows; what is null or empty does not matter.
   *
   * @param from that happened then or later; needs column {@code occurred_at}
   * @param until that happened before
   */
  public record Selection(
      @Nullable Instant from,
      @Nullable Instant until,
      List<String> ids,
      @Nullable String aggregateType,
      @Nullable String aggregateId) {
    public Selection {
      ids = List.copyOf(ids);
    }
  }

  /**
   * One row.
   *
   * @param event null if the row is none
   * @param fault why it is none
   * @param isPublished whether its transaction had surely ended before the position
   */
  public record Stored(String id, @Nullable OutboxEvent event, String fault, boolean isPublished) {}

  private final OutboxTable table;
  private final RowReader rows;
  private final String outbox;
  private final String id;
  private final long endedXid;

  /** Asked for once, and not with each page. */
  private final Map<Column, ColumnType> types = new EnumMap<>(Column.class);

  /**
   * Reads the rows of one table.
   *
   * @param endedXid of the durable checkpoint; 0 when it does not tell yet, and then no row counts
   *     as published; {@link #NO_POSITION} where there is no checkpoint, and then every row does
   */
  public StoredRows(OutboxTable table, long endedXid) {
    this.table = table;
    this.rows = new RowReader(table);
    this.outbox = table.qualified();
    this.id = OutboxColumns.quoted(table, Column.ID);
    this.endedXid = endedXid;
  }

  /** How many rows there are behind {@code after}. */
  public long count(Connection connection, Selection selection, @Nullable String after)
      throws SQLException {
    List<Object> values = new ArrayList<>();
    String sql =
        "SELECT count(*) FROM " + outbox + " WHERE " + where(connection, selection, after, values);
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      bind(statement, values);
      try (ResultSet row = statement.executeQuery()) {
        row.next();
        return row.getLong(1);
      }
    }
  }

  /**
   * Reads the next rows.
   *
   * @param connection in auto-commit mode, and left in it
   * @param after id of the last row of the page before; null for the first page
   * @return no rows at the end
   */
  public List<Stored> page(
      Connection connection, Selection selection, @Nullable String after, PageLimit limit)
      throws SQLException {
    List<Object> values = new ArrayList<>();
    String published = endedXid == NO_POSITION ? "true" : PassedRows.isPassed(endedXid);
    String from =
        "FROM %s o WHERE %s ORDER BY %s"
            .formatted(
                outbox,
                where(connection, selection, after, values),
                type(connection, Column.ID).comparable(id));
    String sizes = "SELECT %s %s LIMIT ?".formatted(RowSizes.sql(connection, outbox, "o"), from);
    // The next page begins behind an id, so all rows that share one are in one page.
    String rows =
        "SELECT *, %s AS %s %s FETCH FIRST (?) ROWS WITH TIES"
            .formatted(published, IS_PUBLISHED, from);
    return InTransaction.run(
        connection,
        () -> {
          try (PreparedStatement size = connection.prepareStatement(sizes);
              PreparedStatement read = connection.prepareStatement(rows)) {
            RowSizes.freeze(connection);
            bind(size, values);
            size.setInt(values.size() + 1, limit.rows());
            bind(read, values);
            read.setInt(values.size() + 1, RowSizes.countWithin(size, limit.bytes()));
            try (ResultSet row = read.executeQuery()) {
              return page(row, outbox);
            }
          }
        });
  }

  private List<Stored> page(ResultSet row, String outbox) throws SQLException {
    List<Stored> page = new ArrayList<>();
    TableRows found = new TableRows(row, rows, outbox);
    while (row.next()) {
      page.add(stored(found.values(), row.getBoolean(IS_PUBLISHED)));
    }
    return page;
  }

  private Stored stored(Map<String, @Nullable Object> values, boolean isPublished) {
    String found = Objects.requireNonNullElse(rows.raw(values::get).id(), "");
    try {
      return new Stored(found, rows.read(values::get), "", isPublished);
    } catch (RowReader.BadRowException e) {
      return new Stored(found, null, String.valueOf(e.getMessage()), isPublished);
    }
  }

  private String where(
      Connection connection, Selection selection, @Nullable String after, List<Object> values)
      throws SQLException {
    // A row without an id has no place in the order of pages.
    List<String> conditions = new ArrayList<>(List.of(id + " IS NOT NULL"));
    if (!selection.ids().isEmpty()) {
      conditions.add(type(connection, Column.ID).isExactlyOneOf(id, "?"));
      String[] ids = selection.ids().toArray(String[]::new);
      values.addAll(List.of(ids, ids));
    }
    if (selection.from() != null) {
      conditions.add(occurredAt(connection) + " >= ?");
      values.add(Timestamp.from(selection.from()));
    }
    if (selection.until() != null) {
      conditions.add(occurredAt(connection) + " < ?");
      values.add(Timestamp.from(selection.until()));
    }
    if (selection.aggregateType() != null) {
      conditions.add(isSame(connection, Column.AGGREGATE_TYPE));
      values.add(selection.aggregateType());
    }
    if (selection.aggregateId() != null) {
      conditions.add(isSame(connection, Column.AGGREGATE_ID));
      values.add(selection.aggregateId());
    }
    if (after != null) {
      conditions.add(type(connection, Column.ID).isBehind(id, "?"));
      values.add(after);
    }
    return String.join(" AND ", conditions);
  }

  private String isSame(Connection connection, Column column) throws SQLException {
    return type(connection, column).isSame(OutboxColumns.quoted(table, column), "?");
  }

  private String occurredAt(Connection connection) throws SQLException {
    if (!table.mappedColumns().containsKey(Column.OCCURRED_AT)) {
      throw new AgentException.Misconfigured(
          "table %s has no column for occurred_at, so events cannot be chosen by time"
              .formatted(outbox),
          "choose them by ids or by aggregate, or name the column in the columns of the table");
    }
    return OutboxColumns.instant(
        OutboxColumns.quoted(table, Column.OCCURRED_AT),
        type(connection, Column.OCCURRED_AT).name());
  }

  private static void bind(PreparedStatement statement, List<Object> values) throws SQLException {
    for (int i = 0; i < values.size(); i++) {
      Object value = values.get(i);
      if (value instanceof String[] texts) {
        statement.setArray(i + 1, statement.getConnection().createArrayOf("text", texts));
      } else {
        statement.setObject(i + 1, value);
      }
    }
  }

  private ColumnType type(Connection connection, Column column) throws SQLException {
    ColumnType known = types.get(column);
    if (known == null) {
      known = ColumnType.of(connection, table, column);
      types.put(column, known);
    }
    return known;
  }
}
