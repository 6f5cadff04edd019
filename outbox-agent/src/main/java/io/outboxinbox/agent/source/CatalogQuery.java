package io.outboxinbox.agent.source;

import java.sql.Array;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Runs one bounded catalog query. */
public final class CatalogQuery {
  /** Catalog look-ups take milliseconds; a locked catalog must not hold up the caller for long. */
  private static final int TIMEOUT_SECONDS = 5;

  private CatalogQuery() {}

  public static <T> List<T> list(
      Connection connection, String sql, Sql.RowMapper<T> reader, Object... parameters)
      throws SQLException {
    return Sql.list(connection, TIMEOUT_SECONDS, sql, reader, parameters);
  }

  /** The first row, if there is one. */
  public static <T> Optional<T> first(
      Connection connection, String sql, Sql.RowMapper<T> reader, Object... parameters)
      throws SQLException {
    return list(connection, sql, reader, parameters).stream().findFirst();
  }

  /** For queries that always have one row. */
  public static <T> T one(
      Connection connection, String sql, Sql.RowMapper<T> reader, Object... parameters)
      throws SQLException {
    return Sql.only(list(connection, sql, reader, parameters));
  }

  /** An array of text; empty for NULL. */
  public static List<String> texts(ResultSet row, String column) throws SQLException {
    @Nullable Array array = row.getArray(column);
    return array == null ? List.of() : List.of((String[]) array.getArray());
  }
}
