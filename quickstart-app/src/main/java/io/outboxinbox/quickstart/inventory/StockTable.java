package io.outboxinbox.quickstart.inventory;

import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Collection;
import java.util.HashSet;
import java.util.Set;
import java.util.UUID;

/** All SQL of the inventory's database. Every method works inside the caller's transaction. */
final class StockTable {
  private StockTable() {}

  /**
   * Remembers messages.
   *
   * @return those that were not yet known
   */
  // Sorted, because two consumers that insert the same ids in different orders would deadlock.
  static Set<UUID> remember(Connection connection, Collection<UUID> messageIds)
      throws SQLException {
    Array ids = connection.createArrayOf("uuid", messageIds.stream().sorted().toArray());
    try (PreparedStatement insert =
        connection.prepareStatement(
            """
            INSERT INTO message_seen (message_id)
            SELECT DISTINCT id FROM unnest(?::uuid[]) AS id ORDER BY id
            ON CONFLICT DO NOTHING
            RETURNING message_id
            """)) {
      insert.setArray(1, ids);
      Set<UUID> unknown = new HashSet<>();
      try (ResultSet row = insert.executeQuery()) {
        while (row.next()) {
          unknown.add(row.getObject("message_id", UUID.class));
        }
      }
      return unknown;
    } finally {
      ids.free();
    }
  }

  /** Changes the stock; one round trip for all events, whose order does not matter to a sum. */
  static void apply(Connection connection, Collection<OrderEvent> events) throws SQLException {
    try (PreparedStatement update =
        connection.prepareStatement(
            """
            UPDATE stock SET reserved = reserved + ?, shipped = shipped + ?
            WHERE sku = ?
            """)) {
      for (OrderEvent event : events) {
        int quantity = event.payload().quantity();
        switch (event.type()) {
          case "OrderPlaced" -> add(update, event, quantity, 0);
          case "OrderShipped" -> add(update, event, -quantity, quantity);
          default -> {
            // OrderPaid and whatever else may come does not move goods.
          }
        }
      }
      update.executeBatch();
    }
  }

  private static void add(PreparedStatement update, OrderEvent event, int reserved, int shipped)
      throws SQLException {
    update.setInt(1, reserved);
    update.setInt(2, shipped);
    update.setString(3, event.payload().sku());
    update.addBatch();
  }
}
