package io.outboxinbox.agent.source;

import java.sql.SQLException;

/**
 * How long a session of the agent waits for a lock. Whoever uses the agent's tables as meant holds
 * one for a moment; who holds it longer has forgotten a transaction, and has to be named instead of
 * waited for.
 */
public final class LockLimit {
  static final String SETTING = "2s";

  private static final String LOCK_NOT_AVAILABLE = "55P03";

  private LockLimit() {}

  /** Whether a statement ended because it had waited that long. */
  public static boolean isOver(SQLException e) {
    return LOCK_NOT_AVAILABLE.equals(e.getSQLState());
  }
}
