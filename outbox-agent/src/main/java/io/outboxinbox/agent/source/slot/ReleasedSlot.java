package io.outboxinbox.agent.source.slot;

import io.outboxinbox.agent.source.CatalogQuery;
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

  private static final String REST =
      """
      SELECT coalesce(confirmed_flush_lsn::text, '') FROM pg_replication_slots
       WHERE slot_name = ? AND database = current_database() AND NOT active
      """;

  private ReleasedSlot() {}

  /**
   * Where it rests. Two looks that find the same place tell that nobody has read it in between.
   *
   * @return empty while it is being read, and when it is not there
   * @throws SQLException the connection broke or an answer took too long
   */
  public static Optional<String> restsAt(Connection connection, String slot) throws SQLException {
    return CatalogQuery.list(connection, REST, row -> row.getString(1), slot).stream().findFirst();
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
