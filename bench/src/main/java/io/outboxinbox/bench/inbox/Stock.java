package io.outboxinbox.bench.inbox;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;

/** The handler: sells one piece of an item, one of ten thousand. */
final class Stock {
  private static final int ITEMS = 10_000;

  private final Connection connection;
  private final Ids ids;

  /** The table is shared by all sides of a comparison. */
  static final String[] TABLE = {
    "CREATE TABLE stock (item int PRIMARY KEY, sold bigint NOT NULL)",
    "INSERT INTO stock SELECT item, 0 FROM generate_series(0, " + (ITEMS - 1) + ") AS item",
    "VACUUM ANALYZE stock"
  };

  Stock(Connection connection, Ids ids) {
    this.connection = connection;
    this.ids = ids;
  }

  void sellOne() throws SQLException {
    sellOne(connection);
  }

  void sellOne(Connection on) throws SQLException {
    try (PreparedStatement update =
        on.prepareStatement("UPDATE stock SET sold = sold + 1 WHERE item = ?")) {
      update.setInt(1, ids.below(ITEMS));
      if (update.executeUpdate() != 1) {
        throw new IllegalStateException("no such item");
      }
    }
  }

  /** Sells that many pieces with one statement. An item may be sold more than once. */
  void sell(int pieces) throws SQLException {
    Integer[] items = new Integer[pieces];
    for (int i = 0; i < pieces; i++) {
      items[i] = ids.below(ITEMS);
    }
    try (PreparedStatement update =
        connection.prepareStatement(
            """
            UPDATE stock SET sold = sold + sale.pieces
            FROM (SELECT item, count(*) AS pieces FROM unnest(?) AS item GROUP BY item) AS sale
            WHERE stock.item = sale.item
            """)) {
      update.setArray(1, connection.createArrayOf("int4", items));
      update.executeUpdate();
    }
  }
}
