package io.outboxinbox.agent.source.slot;

import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.Sql;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Optional;

/** A slot that nobody reads, and that is let go of so that its log can go. */
public final class ReleasedSlot {
  private static final String DROP =
      """
      SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
       WHERE slot_name = ? AND database = current_database()
         AND NOT active AND wal_status <> 'lost'
      """;

  /** Since PostgreSQL 17 the server says since when, or since its own start. */
  private static final String REST =
      """
      SELECT coalesce(confirmed_flush_lsn::text, '') AS position,
             coalesce((pg_catalog.to_jsonb(s) ->> 'inactive_since')::timestamptz
                        < clock_timestamp() - interval '1 minute', false)
               AS is_for_a_minute
        FROM pg_replication_slots s
       WHERE slot_name = ? AND database = current_database() AND NOT active
      """;

  /**
   * How a slot rests that is not being read.
   *
   * @param position two looks that find the same one tell that nobody has read it in between
   * @param isForAMinute whether the server says that nobody has read it for so long; false where it
   *     does not say
   */
  public record Rest(String position, boolean isForAMinute) {}

  private ReleasedSlot() {}

  /**
   * How it rests.
   *
   * @return empty while it is being read, and when it is not there
   * @throws SQLException the connection broke or an answer took too long
   */
  public static Optional<Rest> rest(Connection connection, String slot) throws SQLException {
    return CatalogQuery.first(connection, REST, Sql.as(Rest.class), slot);
  }

  /**
   * Drops it.
   *
   * @return false when it is being read, lost already, or not there
   * @throws SQLException the connection broke, or somebody began to read just now
   */
  public static boolean drop(Connection connection, String slot) throws SQLException {
    return !CatalogQuery.list(connection, DROP, row -> slot, slot).isEmpty();
  }
}
