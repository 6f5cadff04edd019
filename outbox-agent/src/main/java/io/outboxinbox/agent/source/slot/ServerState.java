package io.outboxinbox.agent.source.slot;

import io.outboxinbox.agent.event.Lsn;
import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.Sql;
import java.sql.Connection;
import java.sql.SQLException;

/**
 * Which server answers and how far its log goes.
 *
 * @param systemId cluster identifier, as the position's key has it
 * @param timeline the one being written; goes up with every promotion and point-in-time recovery
 * @param currentWalLsn end of the log that is safely on disk (on a standby: replayed)
 * @param versionNum as in {@code server_version_num}: 150014 is 15.14
 * @param inRecovery a standby, or a server still recovering
 * @param nextXid no transaction has this id (64-bit) yet
 */
public record ServerState(
    String systemId,
    int timeline,
    long currentWalLsn,
    int versionNum,
    boolean inRecovery,
    long nextXid) {

  /**
   * The timeline of the file being written, not pg_control_checkpoint's: after a promotion that one
   * stays behind until the first checkpoint. All of it may be called by PUBLIC (15, 17, 18).
   */
  private static final String SERVER =
      """
      SELECT (SELECT system_identifier FROM pg_control_system())::text AS system_id,
             CASE WHEN pg_is_in_recovery()
                  THEN (SELECT timeline_id FROM pg_control_checkpoint())
                  ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
             END AS timeline,
             (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                   ELSE pg_current_wal_flush_lsn() END - '0/0'::pg_lsn)::bigint AS current_wal_lsn,
             current_setting('server_version_num')::int AS version_num,
             pg_is_in_recovery() AS in_recovery,
             pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_xid
      """;

  /**
   * Identity of the server and end of its log. Take it after the position it is compared with.
   *
   * @throws SQLException the connection broke or an answer took too long; look again later
   */
  public static ServerState of(Connection connection) throws SQLException {
    return CatalogQuery.one(connection, SERVER, Sql.as(ServerState.class));
  }

  /** Where the primary's log ends now: everything committed before is in front of it. */
  public static long endOfLog(Connection connection) throws SQLException {
    return CatalogQuery.one(
        connection, "SELECT pg_current_wal_lsn()::text", row -> Lsn.parse(row.getString(1)));
  }
}
