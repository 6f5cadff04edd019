package io.outboxinbox.inbox;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import org.jspecify.annotations.Nullable;

/**
 * Refuses to commit a transaction in which a statement has failed. PostgreSQL answers the COMMIT of
 * such a transaction with ROLLBACK and no error, and its driver passes that over (pgjdbc pull
 * request 1746): where the work has swallowed the error, it would count as done. Any thread.
 */
final class CommitGuard {
  private static final String TRANSACTION_ABORTED = "25P02";

  /** Where connections lead to, and by which driver. */
  private record Server(boolean isPostgres, @Nullable Pgjdbc pgjdbc) {}

  private volatile @Nullable Server server;

  /**
   * Call it right before the commit.
   *
   * @throws SQLException 25P02: nothing can be committed, roll back
   */
  void requireCommittable(Connection connection) throws SQLException {
    if (connection.isClosed()) {
      // It says so by itself.
      return;
    }
    Server found = server(connection);
    Pgjdbc pgjdbc = found.pgjdbc();
    if (pgjdbc != null && pgjdbc.isFailed(connection)) {
      throw new SQLException(
          "a statement of this transaction has failed, so it cannot be committed; do not swallow"
              + " its error, or set a savepoint before it and roll back to that",
          TRANSACTION_ABORTED);
    }
    if (pgjdbc == null && found.isPostgres()) {
      // Nobody knows but the server, which refuses this too.
      try (Statement statement = connection.createStatement()) {
        statement.execute("SELECT 1");
      }
    }
  }

  private Server server(Connection connection) throws SQLException {
    Server known = server;
    if (known == null) {
      boolean isPostgres = Dialect.isPostgres(connection.getMetaData().getDatabaseProductName());
      known = new Server(isPostgres, isPostgres ? Pgjdbc.of(connection) : null);
      server = known;
    }
    return known;
  }
}
