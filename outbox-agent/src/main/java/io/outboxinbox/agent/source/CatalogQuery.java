package io.outboxinbox.agent.source;

import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Runs one bounded catalog query. */
public final class CatalogQuery {
  /** Catalog look-ups take milliseconds; a locked catalog must not hold up the caller for long. */
  private static final int TIMEOUT_SECONDS = 5;

  private CatalogQuery() {}

  public static <T> List<T> list(
      Connection connection, String sql, Sql.RowMapper<T> reader, Object... parameters)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setQueryTimeout(TIMEOUT_SECONDS);
      Sql.bind(statement, parameters);
      return Sql.rows(statement, reader);
    }
  }

  /** For queries that always have one row. */
  public static <T> T one(
      Connection connection, String sql, Sql.RowMapper<T> reader, Object... parameters)
      throws SQLException {
    List<T> rows = list(connection, sql, reader, parameters);
    if (rows.size() != 1) {
      throw new SQLException("catalog query returned " + rows.size() + " rows instead of one");
    }
    return rows.get(0);
  }

  /** An array of text; empty for NULL. */
  public static List<String> texts(ResultSet row, String column) throws SQLException {
    @Nullable Array array = row.getArray(column);
    return array == null ? List.of() : List.of((String[]) array.getArray());
  }
}
