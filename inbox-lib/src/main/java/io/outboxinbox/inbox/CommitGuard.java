package io.outboxinbox.inbox;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Collections;
import java.util.Set;
import java.util.WeakHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Refuses to commit what is not the whole work of a transaction. Where the work has swallowed an
 * error, it would count as done. Any thread.
 *
 * <p>PostgreSQL answers the COMMIT of a transaction in which a statement has failed with ROLLBACK
 * and no error, and its driver passes that over (pgjdbc pull request 1746). InnoDB rolls the whole
 * transaction back in a deadlock and goes on in a new one; DDL commits it. Savepoints end with
 * their transaction, so one that is still there tells that this is the one it was set in.
 */
final class CommitGuard {
  private static final String TRANSACTION_ABORTED = "25P02";
  private static final int MYSQL_NO_SUCH_SAVEPOINT = 1305;

  /** Of {@link Transactions}; no handler will use the name. */
  private static final String SAVEPOINT = "inbox_transaction";

  /**
   * Connections in transactions of {@link Transactions}, on databases where that makes a savepoint.
   * Only for the words of an error. One for all, since who begins and who asks have guards of their
   * own, with nothing in common but the connection.
   */
  private static final Set<Connection> BEGUN =
      Collections.synchronizedSet(Collections.newSetFromMap(new WeakHashMap<>()));

  private static final String IS_SAME =
      "SELECT pg_catalog.pg_current_xact_id_if_assigned() = CAST(? AS pg_catalog.xid8)";

  /** Where connections lead to, and by which driver. */
  private record Server(boolean isPostgres, boolean isMySql, @Nullable Pgjdbc pgjdbc) {}

  private volatile @Nullable Server server;

  /**
   * Call it at the beginning of a transaction that {@link #requireCommittable} is to know again.
   */
  void begin(Connection connection) throws SQLException {
    begin(connection, SAVEPOINT);
    if (server(connection).isMySql()) {
      BEGUN.add(connection);
    }
  }

  /** Call it when what {@link #begin(Connection)} began has been committed or rolled back. */
  void end(Connection connection) {
    BEGUN.remove(connection);
  }

  /**
   * As {@link #begin(Connection)}, for a part of a transaction.
   *
   * @param savepoint a name that nothing else in the transaction has
   */
  void begin(Connection connection, String savepoint) throws SQLException {
    if (server(connection).isMySql()) {
      execute(connection, "SAVEPOINT " + savepoint);
    }
  }

  /**
   * Call it right before the commit.
   *
   * @throws SQLException 25P02 a statement has failed; 25P01 the transaction of {@link
   *     #begin(Connection)} has ended. Nothing can be committed, roll back
   * @throws InboxException.Misused it was not begun like that, so nobody can tell
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
      execute(connection, "SELECT 1");
    }
    if (found.isMySql()) {
      try {
        release(connection, SAVEPOINT);
      } catch (SQLException e) {
        if (e instanceof TransactionEndedException && !BEGUN.contains(connection)) {
          throw notBegun();
        }
        throw e;
      }
    }
  }

  private static InboxException notBegun() {
    return new InboxException.Misused(
        "on MySQL and MariaDB commitAndAdmit has to know the transaction again, to tell whether its"
            + " work has ended it, and this one was not begun by Transactions",
        "run the loop in new Transactions(dataSource).run(connection -> ...) and pass that"
            + " connection, or call commit() and admit the next message by itself, which is as fast"
            + " there");
  }

  /**
   * Call it after work in a transaction that had begun before.
   *
   * @param savepoint as {@link #begin(Connection, String)} has set it
   * @throws SQLException 25P01: the work has ended the transaction
   */
  void requireUnended(Connection connection, String savepoint) throws SQLException {
    if (connection.isClosed()) {
      return;
    }
    if (server(connection).isMySql()) {
      release(connection, savepoint);
    } else if (isIdle(connection)) {
      throw ended();
    }
  }

  /** Whether there is no transaction, as far as the driver knows without asking the server. */
  boolean isIdle(Connection connection) throws SQLException {
    Pgjdbc pgjdbc = connection.isClosed() ? null : server(connection).pgjdbc();
    return pgjdbc != null && pgjdbc.isIdle(connection);
  }

  boolean isMySql(Connection connection) throws SQLException {
    return server(connection).isMySql();
  }

  static TransactionEndedException ended() {
    return new TransactionEndedException();
  }

  private static void release(Connection connection, String savepoint) throws SQLException {
    try {
      execute(connection, "RELEASE SAVEPOINT " + savepoint);
    } catch (SQLException e) {
      if (e.getErrorCode() == MYSQL_NO_SUCH_SAVEPOINT) {
        // Not as its cause: the same number says that a routine is missing, which is to be mended.
        SQLException ended = ended();
        ended.addSuppressed(e);
        throw ended;
      }
      throw e;
    }
  }

  private static void execute(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  /**
   * Asks PostgreSQL.
   *
   * @param transaction as an {@link Outcome} has it
   * @throws SQLException 25P02: a statement has failed, so that nothing of it will be committed
   */
  void requireSame(Connection connection, long transaction) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(IS_SAME)) {
      statement.setString(1, String.valueOf(transaction));
      try (ResultSet row = statement.executeQuery()) {
        row.next();
        if (!row.getBoolean(1)) {
          throw ended();
        }
      }
    }
  }

  /**
   * Whether what {@link #begin(Connection)} began is no more, on MySQL and MariaDB. Only for a
   * transaction that is to be rolled back.
   */
  boolean isGone(Connection connection) throws SQLException {
    try {
      release(connection, SAVEPOINT);
      return false;
    } catch (TransactionEndedException e) {
      return true;
    }
  }

  private Server server(Connection connection) throws SQLException {
    Server known = server;
    if (known == null) {
      String product = connection.getMetaData().getDatabaseProductName();
      boolean isPostgres = Dialect.isPostgres(product);
      known =
          new Server(
              isPostgres, Dialect.isMySql(product), isPostgres ? Pgjdbc.of(connection) : null);
      server = known;
    }
    return known;
  }
}
