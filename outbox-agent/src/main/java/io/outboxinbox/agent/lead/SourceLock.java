package io.outboxinbox.agent.lead;

import io.outboxinbox.agent.source.LockHolder;
import io.outboxinbox.agent.source.Sql;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;

/**
 * An advisory lock on one source, and who holds it. Any login may take such a lock, so a holder is
 * not always an agent.
 *
 * @param lockClass first half of the lock's key, so that it meets no application's lock by chance
 * @param publication tells sources of one database apart
 */
record SourceLock(int lockClass, String publication) {

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
    return Sql.one(connection, sql, row -> row.getBoolean(1), lockClass, publication);
  }

  /** Everybody who holds it, but this session. */
  List<LockHolder> others(Connection connection) throws SQLException {
    return LockHolder.others(
        connection,
        """
        l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
          AND l.classid = ?::bigint AND l.objid = (pg_catalog.hashtext(?)::bigint & 4294967295)::oid
        """,
        lockClass,
        publication);
  }

  /** Ends a holder's session, and waits until it is gone, {@code millis} at most. */
  static void end(Connection connection, LockHolder holder, long millis) throws SQLException {
    String sql = "SELECT pg_terminate_backend(?, ?)";
    Sql.one(connection, sql, row -> row.getBoolean(1), holder.pid(), millis);
  }
}
