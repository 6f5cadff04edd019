package io.outboxinbox.testkit;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Sessions of superusers that are kept for their next use, one for each database. Tests look again
 * and again, and a new session costs a server far more than most looks do. Each use finds one as
 * new: without settings, locks or an open transaction of the last.
 */
final class KeptSessions {
  private static final int ANSWERS_WITHIN_SECONDS = 5;
  private static final Map<String, Connection> FREE = new ConcurrentHashMap<>();

  private KeptSessions() {}

  /** What is done on a session. */
  @FunctionalInterface
  interface Use<T> {
    T with(Connection connection) throws SQLException;
  }

  static <T> T use(String url, String user, String password, Use<T> use) throws SQLException {
    String key = user + " at " + url;
    Connection connection = free(key);
    if (connection == null) {
      connection = DriverManager.getConnection(url, user, password);
    }
    boolean isAsNew = false;
    try {
      T result = use.with(connection);
      isAsNew = reset(connection);
      return result;
    } finally {
      @Nullable Connection left = isAsNew ? FREE.put(key, connection) : connection;
      if (left != null) {
        left.close();
      }
    }
  }

  /** One that answers still: its server may have been stopped since, or somebody ended it. */
  private static @Nullable Connection free(String key) throws SQLException {
    @Nullable Connection connection = FREE.remove(key);
    if (connection == null || connection.isValid(ANSWERS_WITHIN_SECONDS)) {
      return connection;
    }
    connection.close();
    return null;
  }

  /** Whether it is as new: in an open transaction it cannot be made so. */
  private static boolean reset(Connection connection) {
    try (Statement statement = connection.createStatement()) {
      statement.execute("DISCARD ALL");
      return true;
    } catch (SQLException e) {
      return false;
    }
  }
}
