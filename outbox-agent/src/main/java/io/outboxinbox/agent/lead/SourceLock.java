package io.outboxinbox.agent.lead;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * An advisory lock on one source, and who holds it. Any login may take such a lock, so a holder is
 * not always an agent.
 *
 * @param lockClass first half of the lock's key, so that it meets no application's lock by chance
 * @param publication tells sources of one database apart
 */
record SourceLock(int lockClass, String publication) {

  /**
   * A session, or a prepared transaction, that holds the lock.
   *
   * @param pid 0 for a prepared transaction
   * @param role null where it has just gone
   * @param application name it gave itself
   * @param address it comes from; null where the server does not say
   * @param prepared name of the prepared transaction; null for a session
   * @param isOurs whether it logged in as this agent did; only such a session may be ended
   * @param waitsForReplica whether its commit waits for a synchronous standby
   */
  record Holder(
      int pid,
      @Nullable String role,
      String application,
      @Nullable String address,
      @Nullable String prepared,
      boolean isOurs,
      boolean waitsForReplica) {

    /** For a message. */
    String name() {
      return prepared == null
          ? "process %d (role %s, application '%s')".formatted(pid, role, application)
          : "prepared transaction '%s' of role %s".formatted(prepared, role);
    }

    /** The statement that makes it let go, which runs as it is. */
    String end() {
      String statement =
          prepared == null
              ? "SELECT pg_terminate_backend(%d);".formatted(pid)
              : "ROLLBACK PREPARED '%s';".formatted(prepared.replace("'", "''"));
      return "%s -- as role %s or a superuser, once you know what it is".formatted(statement, role);
    }
  }

  /** Takes it for this session alone, if nobody has it. */
  boolean tryExclusive(Connection connection) throws SQLException {
    return isTrue(connection, "SELECT pg_try_advisory_lock(?, pg_catalog.hashtext(?))");
  }

  /** Takes it beside others, if nobody has it alone. */
  boolean tryShared(Connection connection) throws SQLException {
    return isTrue(connection, "SELECT pg_try_advisory_lock_shared(?, pg_catalog.hashtext(?))");
  }

  /** Whether this session holds it. */
  boolean isHeld(Connection connection) throws SQLException {
    return isTrue(
        connection,
        """
        SELECT EXISTS (
          SELECT FROM pg_locks
          WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND pid = pg_backend_pid()
            AND classid = ? AND objid = (pg_catalog.hashtext(?)::bigint & 4294967295)::oid)
        """);
  }

  private boolean isTrue(Connection connection, String sql) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setInt(1, lockClass);
      statement.setString(2, publication);
      try (ResultSet row = statement.executeQuery()) {
        row.next();
        return row.getBoolean(1);
      }
    }
  }

  /** Everybody who holds it, but this session. */
  List<Holder> others(Connection connection) throws SQLException {
    String sql =
        """
        SELECT coalesce(l.pid, 0), coalesce(a.usename, p.owner),
          coalesce(a.application_name, ''), host(a.client_addr), p.gid,
          coalesce(a.usename = current_user, false), coalesce(a.wait_event = 'SyncRep', false)
        FROM pg_locks l
        LEFT JOIN pg_stat_activity a ON a.pid = l.pid
        LEFT JOIN pg_locks x ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid'
          AND x.virtualtransaction = l.virtualtransaction
        LEFT JOIN pg_prepared_xacts p ON p.transaction = x.transactionid
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND l.classid = ? AND l.objid = (pg_catalog.hashtext(?)::bigint & 4294967295)::oid
          AND l.pid IS DISTINCT FROM pg_backend_pid()
        """;
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setLong(1, lockClass);
      statement.setString(2, publication);
      List<Holder> holders = new ArrayList<>();
      try (ResultSet row = statement.executeQuery()) {
        while (row.next()) {
          holders.add(
              new Holder(
                  row.getInt(1),
                  row.getString(2),
                  row.getString(3),
                  row.getString(4),
                  row.getString(5),
                  row.getBoolean(6),
                  row.getBoolean(7)));
        }
      }
      return holders;
    }
  }

  /**
   * Ends a holder's session and waits until it is gone.
   *
   * @return whether it went within {@code millis}
   */
  static boolean end(Connection connection, Holder holder, long millis) throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement("SELECT pg_terminate_backend(?, ?)")) {
      statement.setInt(1, holder.pid());
      statement.setLong(2, millis);
      try (ResultSet row = statement.executeQuery()) {
        row.next();
        return row.getBoolean(1);
      }
    }
  }
}
