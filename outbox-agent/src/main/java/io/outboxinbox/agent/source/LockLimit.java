package io.outboxinbox.agent.source;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;

/**
 * How long a lock is waited for. Whoever uses the agent's tables as meant holds one for a moment;
 * who holds it longer has forgotten a transaction, and has to be named instead of waited for.
 */
public final class LockLimit {
  private static final String LOCK_NOT_AVAILABLE = "55P03";

  private LockLimit() {}

  /** Limits all that the session does from now on. */
  public static void ofSession(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute("SET lock_timeout = '2s'");
    }
  }

  /** Whether a statement ended because it had waited that long. */
  public static boolean isOver(SQLException e) {
    return LOCK_NOT_AVAILABLE.equals(e.getSQLState());
  }
}
