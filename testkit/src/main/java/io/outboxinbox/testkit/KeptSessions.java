package io.outboxinbox.testkit;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Sessions of superusers that are kept for their next use, one for each database. Tests look again
 * and again, and a new session costs a server far more than most looks do. A use finds nothing of
 * the last: no settings, locks, statistics that wait to be told, or open transaction. What roles
 * and databases set for later logins makes all of them begin anew.
 */
final class KeptSessions {
  private static final int ANSWERS_WITHIN_SECONDS = 5;

  /**
   * Longer than any statement of a test takes; one that waits for ever fails, and its build ends.
   */
  private static final int ENDS_WITHIN_MILLIS = 300_000;

  private static final Pattern SETS_FOR_LOGINS =
      Pattern.compile("(?i)\\bALTER\\s+((ROLE|USER)\\b[^;]*\\b(SET|RESET)|DATABASE)\\b");

  private static final Map<Login, Connection> FREE = new ConcurrentHashMap<>();

  private KeptSessions() {}

  private record Login(String url, String user, String password) {}

  /** What is done on a session. */
  @FunctionalInterface
  interface Use<T> {
    T with(Connection connection) throws SQLException;
  }

  static <T> T use(String url, String user, String password, Use<T> use) throws SQLException {
    Login login = new Login(url, user, password);
    Connection connection = free(login);
    if (connection == null) {
      connection = DriverManager.getConnection(url, user, password);
      connection.setNetworkTimeout(Runnable::run, ENDS_WITHIN_MILLIS);
    }
    boolean isAsNew = false;
    try {
      T result = use.with(connection);
      isAsNew = reset(connection);
      return result;
    } finally {
      @Nullable Connection left = isAsNew ? FREE.put(login, connection) : connection;
      close(left);
    }
  }

  /** To be called once statements were run. */
  static void noteLogins(String... statements) {
    if (Arrays.stream(statements).anyMatch(sql -> SETS_FOR_LOGINS.matcher(sql).find())) {
      forget("");
    }
  }

  /** Closes those of every address that begins so. */
  static void forget(String url) {
    FREE.keySet().stream()
        .filter(login -> login.url().startsWith(url))
        .toList()
        .forEach(login -> close(FREE.remove(login)));
  }

  /** One that answers still: its server may have been stopped since, or somebody ended it. */
  private static @Nullable Connection free(Login login) throws SQLException {
    @Nullable Connection connection = FREE.remove(login);
    if (connection == null || connection.isValid(ANSWERS_WITHIN_SECONDS)) {
      return connection;
    }
    close(connection);
    return null;
  }

  /** Whether nothing is left of its use: in an open transaction that cannot be done. */
  private static boolean reset(Connection connection) {
    try (Statement statement = connection.createStatement()) {
      statement.execute("DISCARD ALL");
      statement.execute("SELECT pg_stat_force_next_flush()");
      return true;
    } catch (SQLException e) {
      return false;
    }
  }

  private static void close(@Nullable Connection connection) {
    if (connection == null) {
      return;
    }
    try {
      connection.close();
    } catch (SQLException broken) {
      // It is of no use any more either way.
    }
  }
}
