package io.outboxinbox.agent.source.slot;

import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.Sql;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A replication slot as the server shows it.
 *
 * @param plugin output plugin; null for a physical slot
 * @param database null for a physical slot
 * @param activePid process that streams from it; 0 when nobody does
 * @param confirmedFlushLsn transactions committed before this are not sent any more; 0 for a
 *     physical slot
 * @param restartLsn log is kept from here; 0 when it keeps none
 * @param walStatus reserved, extended, unreserved or lost; null when it keeps no log
 * @param invalidationReason why it is lost; null when it is not, and before PostgreSQL 17
 * @param twoPhase prepared transactions are sent when prepared
 */
public record SlotState(
    @Nullable String plugin,
    @Nullable String database,
    boolean active,
    int activePid,
    long confirmedFlushLsn,
    long restartLsn,
    @Nullable String walStatus,
    @Nullable String invalidationReason,
    boolean temporary,
    boolean twoPhase) {

  /** Columns differ between versions, hence jsonb; those a version lacks are NULL. */
  private static final String SLOT =
      """
      SELECT s.plugin AS plugin,
             s.database AS database,
             s.active AS active,
             coalesce(s.active_pid, 0) AS active_pid,
             coalesce((s.confirmed_flush_lsn - '0/0'::pg_lsn)::bigint, 0) AS confirmed_flush_lsn,
             coalesce((s.restart_lsn - '0/0'::pg_lsn)::bigint, 0) AS restart_lsn,
             s.wal_status AS wal_status,
             pg_catalog.to_jsonb(s) ->> 'invalidation_reason' AS invalidation_reason,
             s.temporary AS temporary,
             s.two_phase AS two_phase
        FROM pg_replication_slots s
       WHERE s.slot_name = ?
      """;

  /**
   * A sender at work waits for nothing or for disk; one with nothing to send waits for new log, and
   * one whose reader has gone away waits to write.
   */
  private static final String IS_DECODING =
      """
      SELECT coalesce(bool_or(wait_event IS NULL OR wait_event NOT IN (
               'WalSenderMain', 'WalSenderWaitForWal', 'WalSenderWaitForWAL',
               'WalSenderWriteData', 'ClientWrite', 'ClientRead')), false) AS is_decoding
        FROM pg_stat_activity
       WHERE pid = ?
      """;

  /**
   * The slot as the server shows it, empty if there is none.
   *
   * @throws SQLException the connection broke or an answer took too long; look again later
   */
  public static Optional<SlotState> of(Connection connection, String slotName) throws SQLException {
    return CatalogQuery.first(connection, SLOT, Sql.as(SlotState.class), slotName);
  }

  /**
   * Whether the server process that streams from it is busy with log it has not sent yet, such as a
   * huge transaction of other tables; then silence is no stall.
   *
   * @throws SQLException the connection broke or an answer took too long; look again later
   */
  public boolean isDecoding(Connection connection) throws SQLException {
    return CatalogQuery.one(
        connection, IS_DECODING, row -> row.getBoolean("is_decoding"), activePid);
  }

  /** Whether more is confirmed than was published: somebody has made it anew, or moved it. */
  public boolean isBeyond(Checkpoint position) {
    return confirmedFlushLsn > position.position().commitLsn();
  }

  /** Whether a session of this role reads it. */
  public boolean isReadByThisRole(Connection connection) throws SQLException {
    return CatalogQuery.one(
        connection,
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = ?::int AND usename = current_user)",
        row -> row.getBoolean(1),
        String.valueOf(activePid));
  }
}
