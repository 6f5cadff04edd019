package io.outboxinbox.inbox;

import java.sql.SQLException;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What to do after a transaction has failed. Decided by SQLState, never by message or class. */
public enum RetryAdvice {
  /** Lost against another transaction: run the whole transaction again, at once. */
  AGAIN,
  /** The database is away or busy: run it again after a pause, on a new connection. */
  LATER,
  /** The same will happen again. */
  NEVER;

  /**
   * PostgreSQL: serialization failure, deadlock, lock not available. MySQL reports its deadlock and
   * its lock timeout with 40001 and HY000, the latter only by error number.
   */
  private static final Set<String> CONFLICTS = Set.of("40001", "40P01", "55P03");

  private static final int MYSQL_LOCK_WAIT_TIMEOUT = 1205;

  /** With innodb_snapshot_isolation: the row has changed since the transaction's snapshot. */
  private static final int MARIADB_CHECKREAD = 1020;

  /**
   * Disk full, table space full, read-only after a failover (two forms), connection killed. All of
   * them come as HY000 or 70100.
   */
  private static final Set<Integer> MYSQL_LATER = Set.of(1021, 1114, 1290, 1836, 1927);

  private static final int CAUSES_MAX = 50;

  /**
   * Looks through causes and next exceptions; the first one that says something decides.
   *
   * @param failure what the transaction ended with, from the work or from the commit
   */
  public static RetryAdvice of(Throwable failure) {
    Throwable current = failure;
    for (int i = 0; i < CAUSES_MAX && current != null; i++) {
      if (current instanceof InboxException.Retryable) {
        return AGAIN;
      }
      RetryAdvice advice = current instanceof SQLException sql ? ofChain(sql) : NEVER;
      if (advice != NEVER) {
        return advice;
      }
      current = current.getCause();
    }
    return NEVER;
  }

  private static RetryAdvice ofChain(SQLException first) {
    @Nullable SQLException current = first;
    for (int i = 0; i < CAUSES_MAX && current != null; i++) {
      RetryAdvice advice = ofOne(current);
      if (advice != NEVER) {
        return advice;
      }
      current = current.getNextException();
    }
    return NEVER;
  }

  private static RetryAdvice ofOne(SQLException failure) {
    String state = failure.getSQLState() == null ? "" : failure.getSQLState();
    int code = failure.getErrorCode();
    if (CONFLICTS.contains(state) || code == MYSQL_LOCK_WAIT_TIMEOUT || code == MARIADB_CHECKREAD) {
      return AGAIN;
    }
    // 08 connection, 53 resources, 57P server shutting down or session ended, 58 system error
    // (disk), 25P03 idle in transaction for too long.
    return state.startsWith("08")
            || state.startsWith("53")
            || state.startsWith("57P")
            || state.startsWith("58")
            || state.equals("25P03")
            || MYSQL_LATER.contains(code)
        ? LATER
        : NEVER;
  }
}
