package io.outboxinbox.agent.source.outbox;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.source.ColumnValue;
import io.outboxinbox.agent.source.RowReader;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Reads rows of the table into the values the log would have brought ({@link ColumnValue}). */
public final class TableRows {
  private final ResultSet rows;
  private final ResultSetMetaData columns;

  /**
   * Looks at what was selected.
   *
   * @param reader of these rows
   * @param table for people
   * @throws AgentException.Misconfigured the table lacks a column that is to be read
   */
  public TableRows(ResultSet rows, RowReader reader, String table) throws SQLException {
    this.rows = rows;
    this.columns = rows.getMetaData();
    Map<String, Integer> present = new HashMap<>();
    for (int i = 1; i <= columns.getColumnCount(); i++) {
      present.put(columns.getColumnLabel(i), i);
    }
    List<String> missing = reader.missing(present::containsKey);
    if (!missing.isEmpty()) {
      throw new AgentException.Misconfigured(
          "table %s has no column %s".formatted(table, String.join(", ", missing)),
          "name the table's columns in source.columns, or add what is missing; 'java -jar"
              + " outbox-agent.jar check agent.yml' prints the statement");
    }
  }

  /** The values of the current row, by column name. */
  public Map<String, @Nullable Object> values() throws SQLException {
    Map<String, @Nullable Object> values = new HashMap<>();
    for (int i = 1; i <= columns.getColumnCount(); i++) {
      values.put(columns.getColumnLabel(i), value(i));
    }
    return values;
  }

  private @Nullable Object value(int i) throws SQLException {
    return switch (columns.getColumnTypeName(i)) {
      // Not as java.sql.Timestamp: that one has the time zone of this process, and no infinity.
      case "timestamp" -> {
        @Nullable LocalDateTime time = rows.getObject(i, LocalDateTime.class);
        yield time == null ? null : ColumnValue.of(time.atOffset(ZoneOffset.UTC));
      }
      case "timestamptz" -> ColumnValue.of(rows.getObject(i, OffsetDateTime.class));
      default -> ColumnValue.of(rows.getObject(i));
    };
  }
}
