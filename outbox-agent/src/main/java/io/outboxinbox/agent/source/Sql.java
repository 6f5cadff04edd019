package io.outboxinbox.agent.source;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Runs one statement with its values, and closes what it opened. How long it may take is a matter
 * of its connection.
 */
public final class Sql {
  private Sql() {}

  /** Makes something of the current row. */
  @FunctionalInterface
  public interface RowMapper<T> {
    T read(ResultSet row) throws SQLException;
  }

  /** Every row. */
  public static <T> List<T> list(
      Connection connection, String sql, RowMapper<T> reader, @Nullable Object... values)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      bind(statement, values);
      return rows(statement, reader);
    }
  }

  /** The first row, if there is one. */
  public static <T> Optional<T> first(
      Connection connection, String sql, RowMapper<T> reader, @Nullable Object... values)
      throws SQLException {
    return list(connection, sql, reader, values).stream().findFirst();
  }

  /**
   * The row of a query that has exactly one.
   *
   * @throws SQLException it has not, or as the server says
   */
  public static <T> T one(
      Connection connection, String sql, RowMapper<T> reader, @Nullable Object... values)
      throws SQLException {
    List<T> rows = list(connection, sql, reader, values);
    if (rows.size() != 1) {
      throw new SQLException("a query has " + rows.size() + " rows instead of one");
    }
    return rows.get(0);
  }

  /** Returns how many rows were changed. */
  public static long update(Connection connection, String sql, @Nullable Object... values)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      bind(statement, values);
      return statement.executeLargeUpdate();
    }
  }

  static void bind(PreparedStatement statement, @Nullable Object... values) throws SQLException {
    for (int i = 0; i < values.length; i++) {
      statement.setObject(i + 1, values[i]);
    }
  }

  static <T> List<T> rows(PreparedStatement statement, RowMapper<T> reader) throws SQLException {
    List<T> rows = new ArrayList<>();
    try (ResultSet result = statement.executeQuery()) {
      while (result.next()) {
        rows.add(reader.read(result));
      }
    }
    return rows;
  }
}
