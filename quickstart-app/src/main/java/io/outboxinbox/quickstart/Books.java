package io.outboxinbox.quickstart;

import io.outboxinbox.quickstart.proof.Tally;
import io.outboxinbox.quickstart.stage.Databases;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Compares the books of the two databases at the end. The ledger is our own; this is what a user's
 * accountant would look at.
 */
final class Books {
  private record Stock(long reserved, long shipped) {}

  private final Databases databases;

  Books(Databases databases) {
    this.databases = databases;
  }

  /** What does not agree, in words; empty if all is well. */
  List<String> differences(Tally tally) throws SQLException {
    List<String> differences = new ArrayList<>();
    long changes = number(Databases.SHOP, "SELECT coalesce(sum(version), 0) FROM orders");
    long events = number(Databases.SHOP, "SELECT count(*) FROM outbox_event");
    if (changes != tally.committed() || events != changes) {
      differences.add(
          "the shop has %,d changes of orders and %,d events, the order service counted %,d"
              .formatted(changes, events, tally.committed()));
    }
    Map<String, Stock> ordered =
        stock(
            Databases.SHOP,
            """
            SELECT sku,
                   coalesce(sum(quantity) FILTER (WHERE status <> 'shipped'), 0) AS reserved,
                   coalesce(sum(quantity) FILTER (WHERE status = 'shipped'), 0) AS shipped
            FROM orders GROUP BY sku
            """);
    Map<String, Stock> kept =
        stock(
            Databases.INVENTORY,
            "SELECT sku, reserved, shipped FROM stock WHERE reserved <> 0 OR shipped <> 0");
    if (!ordered.equals(kept)) {
      differences.add("the shop's orders come to " + ordered + ", the inventory has " + kept);
    }
    long reservations = number(Databases.INVENTORY, "SELECT count(*) FROM reservation");
    long ofEvents = number(Databases.INVENTORY, "SELECT count(DISTINCT event_id) FROM reservation");
    if (reservations != events || ofEvents != events) {
      differences.add(
          "the shop has %,d events, the inventory %,d reservations for %,d events"
              .formatted(events, reservations, ofEvents));
    }
    return differences;
  }

  private long number(String database, String sql) throws SQLException {
    try (Connection connection = databases.connect(database);
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getLong(1);
    }
  }

  private Map<String, Stock> stock(String database, String sql) throws SQLException {
    try (Connection connection = databases.connect(database);
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      Map<String, Stock> stock = new TreeMap<>();
      while (row.next()) {
        stock.put(row.getString("sku"), new Stock(row.getLong("reserved"), row.getLong("shipped")));
      }
      return stock;
    }
  }
}
