package io.outboxinbox.quickstart.inventory;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.List;

/** All SQL of the inventory's database. Works inside the inbox's transaction. */
final class StockTable {
  private StockTable() {}

  /** Writes what the events do, in few round trips. */
  static void apply(Connection connection, List<OrderEvent> events) throws SQLException {
    reserve(connection, events);
    changeStock(connection, events);
  }

  private static void reserve(Connection connection, List<OrderEvent> events) throws SQLException {
    try (PreparedStatement insert =
        connection.prepareStatement(
            """
            INSERT INTO reservation (order_id, version, event_id) VALUES (?, ?, ?)
            """)) {
      for (OrderEvent event : events) {
        insert.setLong(1, event.payload().orderId());
        insert.setInt(2, event.payload().version());
        insert.setString(3, event.id());
        insert.addBatch();
      }
      insert.executeBatch();
    }
  }

  private static void changeStock(Connection connection, List<OrderEvent> events)
      throws SQLException {
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
