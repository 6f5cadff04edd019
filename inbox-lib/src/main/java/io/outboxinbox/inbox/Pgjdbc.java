package io.outboxinbox.inbox;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What PostgreSQL's own driver knows of a connection, in whatever wrapper. The library does not
 * bring the driver along, so it is asked by reflection.
 */
final class Pgjdbc {
  private static final String CONNECTION = "org.postgresql.core.BaseConnection";

  private final Class<?> type;
  private final Method autosave;
  private final Method transactionState;

  private Pgjdbc(Class<?> type) throws NoSuchMethodException {
    this.type = type;
    this.autosave = type.getMethod("getAutosave");
    this.transactionState = type.getMethod("getTransactionState");
  }

  /** Finds the driver; null if it is another one. Then everything takes a round trip more. */
  static @Nullable Pgjdbc of(Connection connection) throws SQLException {
    for (ClassLoader loader : loaders(connection)) {
      try {
        Class<?> type = Class.forName(CONNECTION, false, loader);
        if (connection.isWrapperFor(type)) {
          return new Pgjdbc(type);
        }
      } catch (ClassNotFoundException | NoSuchMethodException notHere) {
        // Perhaps the next one has it.
      }
    }
    return null;
  }

  private static List<ClassLoader> loaders(Connection connection) throws SQLException {
    return Arrays.asList(
            connection.getMetaData().getClass().getClassLoader(),
            connection.getClass().getClassLoader(),
            Thread.currentThread().getContextClassLoader())
        .stream()
        .filter(Objects::nonNull)
        .distinct()
        .toList();
  }

  /**
   * Whether the driver sends SAVEPOINT before a statement and, perhaps, RELEASE after it: that
   * fails where the statement has ended the transaction.
   */
  boolean isSettingSavepoints(Connection connection) throws SQLException {
    return !"NEVER".equals(ask(connection, autosave));
  }

  /** Whether the server refuses everything but a rollback, as it said after the last statement. */
  boolean isFailed(Connection connection) throws SQLException {
    return "FAILED".equals(ask(connection, transactionState));
  }

  /** Whether there is no transaction, as the server said after the last statement. */
  boolean isIdle(Connection connection) throws SQLException {
    return "IDLE".equals(ask(connection, transactionState));
  }

  private String ask(Connection connection, Method question) throws SQLException {
    try {
      return String.valueOf(question.invoke(HandlerConnection.behind(connection).unwrap(type)));
    } catch (IllegalAccessException | InvocationTargetException e) {
      throw new SQLException("the driver does not answer " + question.getName(), e);
    }
  }
}
