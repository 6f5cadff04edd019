package io.outboxinbox.agent.source;

import java.sql.Connection;
import java.sql.SQLException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Statements that belong together, on a session that is in auto-commit mode before and after. */
public final class InTransaction {
  private static final Logger LOG = LoggerFactory.getLogger(InTransaction.class);

  private InTransaction() {}

  /** The statements. */
  @FunctionalInterface
  public interface Statements<T> {
    /**
     * Leaves the transaction open.
     *
     * @throws SQLException nothing is to be changed
     */
    T run() throws SQLException;
  }

  /**
   * Runs and commits them; what fails changes nothing.
   *
   * @throws SQLException what the statements threw, even where nothing can be rolled back any more
   */
  public static <T> T run(Connection connection, Statements<T> statements) throws SQLException {
    connection.setAutoCommit(false);
    boolean isDone = false;
    try {
      T result = statements.run();
      connection.commit();
      isDone = true;
      connection.setAutoCommit(true);
      return result;
    } finally {
      if (!isDone) {
        rollBack(connection);
      }
    }
  }

  private static void rollBack(Connection connection) {
    try {
      connection.rollback();
      connection.setAutoCommit(true);
    } catch (SQLException e) {
      LOG.debug("rolling back failed; the connection is gone, and its transaction with it", e);
    }
  }
}
