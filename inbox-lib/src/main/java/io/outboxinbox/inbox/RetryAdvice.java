package io.outboxinbox.inbox;

import java.sql.SQLException;
import java.sql.SQLNonTransientConnectionException;
import java.sql.SQLRecoverableException;
import java.sql.SQLTimeoutException;
import java.sql.SQLTransientConnectionException;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What to do after a transaction has failed: whether it is the fault of its message. Decided by
 * SQLState and by the kinds of {@code java.sql}, never by message or by a driver's class.
 */
public enum RetryAdvice {
  /**
   * Lost against another transaction, ran into a limit, or met a plan from before a migration: run
   * the whole transaction again, after a moment. What is still the same after many times has
   * another cause.
   */
  AGAIN,
  /** The database is away or busy: run it again after a pause, on a new connection. */
  LATER,
  /**
   * A table, column, function, right or class is missing, the server takes no writes, or a pooler
   * mixes up prepared statements (add {@code prepareThreshold=0} to the URL): no fault of the
   * message. Run it again after a pause, and tell a person.
   */
  MEND,
  /** The same will happen again. */
  NEVER;

  /**
   * PostgreSQL: serialization failure, deadlock, lock not available; query cancelled, which
   * statement_timeout does to healthy messages on a busy server and to those that ask too much, as
   * do the limits on idle and open transactions and on temporary files (25P03, 25P04, 53400);
   * feature not supported, which is also a cached plan that must not change; internal error, which
   * is also a catalogue row that changed meanwhile. MySQL reports its deadlock and its lock timeout
   * with 40001 and HY000, the latter only by error number.
   */
  private static final Set<String> PERHAPS_AT_ONCE =
      Set.of("40001", "40P01", "55P03", "57014", "25P03", "25P04", "53400", "0A000", "XX000");

  /**
   * Lock wait timeout; with innodb_snapshot_isolation, a row that has changed since the snapshot;
   * execution time limits of MySQL and MariaDB; a packet that is too large.
   */
  private static final Set<Integer> MYSQL_PERHAPS_AT_ONCE = Set.of(1205, 1020, 3024, 1969, 1153);

  /**
   * Disk full, table space full, read-only after a failover (two forms), connection killed. All of
   * them come as HY000 or 70100.
   */
  private static final Set<Integer> MYSQL_LATER = Set.of(1021, 1114, 1290, 1836, 1927);

  /**
   * PostgreSQL: prepared statement unknown or there already, read-only transaction; undefined
   * table, column, function, object, schema, database; right, also a policy's; a row or an index
   * that is damaged. MySQL: table, column.
   */
  private static final Set<String> TO_MEND =
      Set.of(
          "26000", "42P05", "25006", "42P01", "42703", "42883", "42704", "3F000", "3D000", "42501",
          "XX001", "XX002", "42S02", "42S22");

  /** Database unknown, access denied (four forms), routine unknown. They come as 42000. */
  private static final Set<Integer> MYSQL_TO_MEND = Set.of(1049, 1044, 1142, 1143, 1370, 1305);

  private static final int CAUSES_MAX = 50;

  /**
   * Looks through causes and next exceptions; the first one that says something decides.
   *
   * @param failure what the transaction ended with, from the work or from the commit
   */
  public static RetryAdvice of(Throwable failure) {
    Throwable current = failure;
    for (int i = 0; i < CAUSES_MAX && current != null; i++) {
      if (current instanceof TransactionEndedException) {
        // Whatever was thrown behind it: the same again would find the message admitted.
        return NEVER;
      }
      if (current instanceof InboxException.Retryable) {
        return AGAIN;
      }
      if (current instanceof LinkageError) {
        return MEND;
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
    if (PERHAPS_AT_ONCE.contains(state) || MYSQL_PERHAPS_AT_ONCE.contains(code)) {
      return AGAIN;
    }
    if (isAway(state) || MYSQL_LATER.contains(code)) {
      return LATER;
    }
    // 28 login refused, F0 the server's own configuration.
    if (TO_MEND.contains(state)
        || state.startsWith("28")
        || state.startsWith("F0")
        || MYSQL_TO_MEND.contains(code)) {
      return MEND;
    }
    return ofKind(failure);
  }

  /**
   * 08 connection, 53 resources, 57P server shutting down or session ended, 58 system error (disk),
   * 40003 outcome unknown, HV00N a foreign server away.
   */
  private static boolean isAway(String state) {
    return state.startsWith("08")
        || state.startsWith("53")
        || state.startsWith("57P")
        || state.startsWith("58")
        || state.equals("40003")
        || state.equals("HV00N");
  }

  /** Pools throw these without a state where no connection is free in time. */
  private static RetryAdvice ofKind(SQLException failure) {
    if (failure instanceof SQLTransientConnectionException
        || failure instanceof SQLNonTransientConnectionException
        || failure instanceof SQLRecoverableException) {
      return LATER;
    }
    return failure instanceof SQLTimeoutException ? AGAIN : NEVER;
  }
}
