package io.outboxinbox.inbox;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Refuses to commit a transaction in which a statement has failed. PostgreSQL answers the COMMIT of
 * such a transaction with ROLLBACK and no error, and its driver passes that over (pgjdbc pull
 * request 1746): where the work has swallowed the error, it would count as done. Any thread.
 */
final class CommitGuard {
  private static final String TRANSACTION_ABORTED = "25P02";

  private volatile @Nullable Boolean isPostgres;
  private volatile @Nullable Optional<Pgjdbc> pgjdbc;

  /**
   * Call it right before the commit.
   *
   * @throws SQLException 25P02: nothing can be committed, roll back
   */
  void requireCommittable(Connection connection) throws SQLException {
    if (!isPostgres(connection)) {
      return;
    }
    Optional<Pgjdbc> driver = driver(connection);
    if (driver.isEmpty()) {
      // Nobody knows but the server, which refuses this too.
      try (Statement statement = connection.createStatement()) {
        statement.execute("SELECT 1");
      }
    } else if (driver.get().isFailed(connection)) {
      throw new SQLException(
          "a statement of this transaction has failed, so it cannot be committed; do not swallow"
              + " its error, or set a savepoint before it and roll back to that",
          TRANSACTION_ABORTED);
    }
  }

  private boolean isPostgres(Connection connection) throws SQLException {
    Boolean known = isPostgres;
    if (known == null) {
      known = Dialect.isPostgres(connection.getMetaData().getDatabaseProductName());
      isPostgres = known;
    }
    return known;
  }

  private Optional<Pgjdbc> driver(Connection connection) throws SQLException {
    Optional<Pgjdbc> known = pgjdbc;
    if (known == null) {
      known = Optional.ofNullable(Pgjdbc.of(connection));
      pgjdbc = known;
    }
    return known;
  }
}
