package io.outboxinbox.agent.source.slot;

import io.outboxinbox.agent.source.CatalogQuery;
import java.sql.Connection;
import java.sql.SQLException;

/** A slot that nobody reads, and that is let go of so that its log can go. */
public final class ReleasedSlot {
  private static final String DROP =
      """
      SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
       WHERE slot_name = ? AND database = current_database()
         AND NOT active AND wal_status <> 'lost'
      """;

  private ReleasedSlot() {}

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
