package io.outboxinbox.inbox;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.locks.LockSupport;
import javax.sql.DataSource;

/**
 * Runs work in a transaction of its own, for callers without a framework that does.
 *
 * <p>Any number of threads may share it. The data source belongs to the caller.
 */
public final class Transactions {
  /** The first pause after a conflict; doubled each time, and half of it left to chance. */
  private static final long PAUSE_NANOS = 2_000_000;

  private final DataSource dataSource;
  private final CommitGuard guard = new CommitGuard();

  public Transactions(DataSource dataSource) {
    this.dataSource = dataSource;
  }

  /** Work inside a transaction. */
  @FunctionalInterface
  public interface Work<T, E extends Exception> {
    /** Works on the connection; neither commits nor rolls back. */
    T on(Connection connection) throws SQLException, E;
  }

  /**
   * Runs the work and commits, or rolls back and throws. It also throws where work returns although
   * not all it has done can be committed: on PostgreSQL where a statement has failed (25P02), on
   * MySQL and MariaDB where the transaction has ended, as a deadlock or DDL ends it (25P01).
   *
   * @throws SQLException from getting the connection, the work, or the commit. A commit that ends
   *     with a lost connection may have happened: the inbox tells when the work is run again
   */
  public <T, E extends Exception> T run(Work<T, E> work) throws SQLException, E {
    try (Connection connection = dataSource.getConnection()) {
      boolean wasAutoCommit = connection.getAutoCommit();
      connection.setAutoCommit(false);
      boolean isCommitted = false;
      try {
        guard.begin(connection);
        T result = work.on(connection);
        guard.requireCommittable(connection);
        connection.commit();
        isCommitted = true;
        return result;
      } finally {
        guard.end(connection);
        leave(connection, isCommitted, wasAutoCommit);
      }
    }
  }

  /**
   * Runs the work again, as a whole and after a short pause, while it fails by a conflict with
   * another transaction ({@link RetryAdvice#AGAIN}). It must begin with asking the inbox.
   *
   * @param attemptsMax 1 or more
   * @throws SQLException as {@link #run}; the last conflict if every attempt met one
   */
  public <T, E extends Exception> T runThroughConflicts(int attemptsMax, Work<T, E> work)
      throws SQLException, E {
    for (int attempt = 1; ; attempt++) {
      try {
        return run(work);
      } catch (Exception e) {
        if (attempt >= attemptsMax || RetryAdvice.of(e) != RetryAdvice.AGAIN) {
          throw e;
        }
        long pause = PAUSE_NANOS << Math.min(attempt, 8);
        LockSupport.parkNanos(pause / 2 + ThreadLocalRandom.current().nextLong(pause / 2));
      }
    }
  }

  /** What goes wrong here must not hide how the work ended. */
  private static void leave(Connection connection, boolean isCommitted, boolean autoCommit) {
    try {
      if (!isCommitted) {
        connection.rollback();
      }
      connection.setAutoCommit(autoCommit);
    } catch (SQLException ignored) {
      // The connection is gone, and with it a transaction that was not committed.
    }
  }
}
