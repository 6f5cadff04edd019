package io.outboxinbox.agent.source.slot;

import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.Sql;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Optional;

/**
 * How much log a slot holds back and how much more it may.
 *
 * @param retainedBytes from the slot's restart point to the end of the log; 0 when it is lost
 * @param safeBytes the server may still write before the slot is in danger; {@link #NO_LIMIT}
 *     without {@code max_slot_wal_keep_size}
 * @param isLost log the slot needs is gone
 * @param oldestXid of the transactions that run anywhere in the server; the next one to be given
 *     out when none does
 * @param nextXid the next one to be given out
 */
public record WalRoom(
    long retainedBytes, long safeBytes, boolean isLost, long oldestXid, long nextXid) {
  public static final long NO_LIMIT = Long.MAX_VALUE;

  /** Everything in it is shown to every role. */
  private static final String ROOM =
      """
      SELECT coalesce((CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                            ELSE pg_current_wal_lsn() END - s.restart_lsn)::bigint, 0)
               AS retained_bytes,
             greatest(0, coalesce(s.safe_wal_size, %d)) AS safe_bytes,
             coalesce(s.wal_status = 'lost', false) AS is_lost,
             pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest_xid,
             pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_xid
        FROM pg_replication_slots s
       WHERE s.slot_name = ?
      """
          .formatted(NO_LIMIT);

  /** Whether a transaction that has written something is open. */
  public boolean isTransactionRunning() {
    return oldestXid < nextXid;
  }

  /**
   * Looks at the slot.
   *
   * @return empty when there is no such slot
   * @throws SQLException the connection broke or an answer took too long; look again later
   */
  public static Optional<WalRoom> of(Connection connection, String slot) throws SQLException {
    return CatalogQuery.first(connection, ROOM, Sql.as(WalRoom.class), slot);
  }
}
