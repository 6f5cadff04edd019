package io.outboxinbox.agent.source;

import java.lang.reflect.Constructor;
import java.lang.reflect.RecordComponent;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Runs one statement with its values, and closes what it opened. How long it may take is a matter
 * of its connection.
 */
public final class Sql {
  private static final int NO_LIMIT = 0;

  private Sql() {}

  /** Makes something of the current row. */
  @FunctionalInterface
  public interface RowMapper<T> {
    T read(ResultSet row) throws SQLException;
  }

  /**
   * Makes a record of a row: a component has the value of the column of its name, {@code isLost}
   * that of {@code is_lost}. NULL is null, and 0 or false where the component is a primitive.
   */
  public static <T extends Record> RowMapper<T> as(Class<T> type) {
    RecordComponent[] components = type.getRecordComponents();
    Class<?>[] types =
        Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
    List<String> columns =
        Arrays.stream(components)
            .map(component -> component.getName().replaceAll("([A-Z])", "_$1"))
            .map(name -> name.toLowerCase(Locale.ROOT))
            .toList();
    return row -> {
      @Nullable Object[] values = new @Nullable Object[types.length];
      for (int i = 0; i < types.length; i++) {
        values[i] = value(row, columns.get(i), types[i]);
      }
      try {
        Constructor<T> constructor = type.getDeclaredConstructor(types);
        constructor.setAccessible(true);
        return constructor.newInstance(values);
      } catch (ReflectiveOperationException e) {
        throw new IllegalStateException("a row makes no " + type.getSimpleName(), e);
      }
    };
  }

  private static @Nullable Object value(ResultSet row, String column, Class<?> type)
      throws SQLException {
    if (type == String.class) {
      return row.getString(column);
    } else if (type == long.class) {
      return row.getLong(column);
    } else if (type == int.class) {
      return row.getInt(column);
    } else if (type == boolean.class) {
      return row.getBoolean(column);
    } else if (type == Instant.class) {
      return instant(row, column);
    } else if (type == List.class) {
      return CatalogQuery.texts(row, column);
    } else if (type.isRecord()) {
      return as(type.asSubclass(Record.class)).read(row);
    }
    return row.getObject(column, type);
  }

  /**
   * Every row, in a list of the caller's own.
   *
   * @param values of the question marks; {@code String[]} and {@code Long[]} are arrays of text and
   *     bigint, an {@link Instant} is a moment
   */
  public static <T> List<T> list(
      Connection connection, String sql, RowMapper<T> reader, @Nullable Object... values)
      throws SQLException {
    return list(connection, NO_LIMIT, sql, reader, values);
  }

  /** The same within so many seconds. */
  static <T> List<T> list(
      Connection connection,
      int timeoutSeconds,
      String sql,
      RowMapper<T> reader,
      @Nullable Object... values)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setQueryTimeout(timeoutSeconds);
      bind(statement, values);
      List<T> rows = new ArrayList<>();
      try (ResultSet result = statement.executeQuery()) {
        while (result.next()) {
          rows.add(reader.read(result));
        }
      }
      return rows;
    }
  }

  /** A value by key of each row, in the order of the rows. */
  public static <K, V> Map<K, V> map(
      Connection connection,
      String sql,
      RowMapper<K> key,
      RowMapper<V> value,
      @Nullable Object... values)
      throws SQLException {
    Map<K, V> found = new LinkedHashMap<>();
    list(connection, sql, row -> found.put(key.read(row), value.read(row)), values);
    return found;
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
    return only(list(connection, sql, reader, values));
  }

  static <T> T only(List<T> rows) throws SQLException {
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

  /** Runs a statement without values, whatever it answers. */
  public static void run(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  /** Runs a statement that changes rows once for each list of values, all in one go. */
  public static void batch(Connection connection, String sql, List<@Nullable Object[]> rows)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (@Nullable Object[] values : rows) {
        bind(statement, values);
        statement.addBatch();
      }
      statement.executeBatch();
    }
  }

  private static void bind(PreparedStatement statement, @Nullable Object... values)
      throws SQLException {
    Connection connection = statement.getConnection();
    for (int i = 0; i < values.length; i++) {
      @Nullable Object value = values[i];
      if (value instanceof String[] texts) {
        value = connection.createArrayOf("text", texts);
      } else if (value instanceof Long[] numbers) {
        value = connection.createArrayOf("bigint", numbers);
      } else if (value instanceof Instant moment) {
        value = moment.atOffset(ZoneOffset.UTC);
      }
      statement.setObject(i + 1, value);
    }
  }

  /** A moment; null for NULL. */
  public static @Nullable Instant instant(ResultSet row, String column) throws SQLException {
    @Nullable Timestamp moment = row.getTimestamp(column);
    return moment == null ? null : moment.toInstant();
  }
}
