package io.outboxinbox.agent.source;

import java.sql.SQLException;
import java.util.concurrent.TimeUnit;

/**
 * How long a session of the agent waits for a lock. Whoever uses the agent's tables as meant holds
 * one for a moment; who holds it longer has forgotten a transaction, and has to be named instead of
 * waited for.
 */
public final class LockLimit {
  private static final long MILLIS_MAX = 2000;

  private static final String LOCK_NOT_AVAILABLE = "55P03";

  private LockLimit() {}

  /**
   * For {@code lock_timeout}, which counts for each lock. An answer that comes too late ends the
   * connection, and names nobody: so a lock has half of its time at most.
   *
   * @param answerSeconds how long an answer may take; 0 for ever
   */
  static String setting(int answerSeconds) {
    long limit = TimeUnit.SECONDS.toMillis(answerSeconds) / 2;
    return (answerSeconds == 0 ? MILLIS_MAX : Math.min(MILLIS_MAX, limit)) + "ms";
  }

  /** Whether a statement ended because it had waited that long. */
  public static boolean isOver(SQLException e) {
    return LOCK_NOT_AVAILABLE.equals(e.getSQLState());
  }
}
