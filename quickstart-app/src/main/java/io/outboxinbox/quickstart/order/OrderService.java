package io.outboxinbox.quickstart.order;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.UUID;
import javax.sql.DataSource;

/**
 * Places, pays and ships orders. Each call is one database transaction that changes the order and
 * leaves an event about it in the outbox: both are committed or neither is. That is all an
 * application has to do; it knows neither Kafka nor the agent.
 *
 * <p>Any thread may use it. The data source hands out connections with auto-commit off and belongs
 * to the caller.
 */
public final class OrderService {

  /**
   * What a call committed.
   *
   * @param version counts the changes of one order from 1
   * @param eventId id of the outbox row, which travels with the message
   */
  public record Change(long orderId, int version, UUID eventId) {}

  /** The customer's payment was refused; nothing was committed, not the event either. */
  public static final class PaymentRefusedException extends Exception {
    private static final long serialVersionUID = 1L;

    PaymentRefusedException(long orderId) {
      super("payment of order " + orderId + " was refused");
    }
  }

  private record Order(int version, String sku, int quantity) {}

  private final DataSource shop;

  public OrderService(DataSource shop) {
    this.shop = shop;
  }

  /** A new order, and the event OrderPlaced. */
  public Change place(String sku, int quantity) throws SQLException {
    try (Connection connection = shop.getConnection()) {
      try {
        long orderId = insertOrder(connection, sku, quantity);
        Order order = new Order(1, sku, quantity);
        UUID eventId = publish(connection, "OrderPlaced", orderId, order);
        connection.commit();
        return new Change(orderId, 1, eventId);
      } catch (SQLException | RuntimeException e) {
        connection.rollback();
        throw e;
      }
    }
  }

  /**
   * The order is paid, and the event OrderPaid.
   *
   * @throws PaymentRefusedException the transaction was rolled back; may be tried again
   */
  public Change pay(long orderId, boolean accepted) throws SQLException, PaymentRefusedException {
    try (Connection connection = shop.getConnection()) {
      try {
        Order order = updateOrder(connection, orderId, "paid");
        UUID eventId = publish(connection, "OrderPaid", orderId, order);
        if (!accepted) {
          throw new PaymentRefusedException(orderId);
        }
        connection.commit();
        return new Change(orderId, order.version(), eventId);
      } catch (SQLException | RuntimeException | PaymentRefusedException e) {
        connection.rollback();
        throw e;
      }
    }
  }

  /** The order leaves the house, and the event OrderShipped. */
  public Change ship(long orderId) throws SQLException {
    try (Connection connection = shop.getConnection()) {
      try {
        Order order = updateOrder(connection, orderId, "shipped");
        UUID eventId = publish(connection, "OrderShipped", orderId, order);
        connection.commit();
        return new Change(orderId, order.version(), eventId);
      } catch (SQLException | RuntimeException e) {
        connection.rollback();
        throw e;
      }
    }
  }

  private static long insertOrder(Connection connection, String sku, int quantity)
      throws SQLException {
    try (PreparedStatement insert =
        connection.prepareStatement(
            """
            INSERT INTO orders (sku, quantity, status, version)
            VALUES (?, ?, 'placed', 1)
            RETURNING id
            """)) {
      insert.setString(1, sku);
      insert.setInt(2, quantity);
      try (ResultSet row = insert.executeQuery()) {
        row.next();
        return row.getLong("id");
      }
    }
  }

  // The update locks the order's row until the end of the transaction, so the events of one order
  // are committed in the order of its versions.
  private static Order updateOrder(Connection connection, long orderId, String status)
      throws SQLException {
    try (PreparedStatement update =
        connection.prepareStatement(
            """
            UPDATE orders SET status = ?, version = version + 1
            WHERE id = ?
            RETURNING version, sku, quantity
            """)) {
      update.setString(1, status);
      update.setLong(2, orderId);
      try (ResultSet row = update.executeQuery()) {
        if (!row.next()) {
          throw new IllegalArgumentException("there is no order " + orderId);
        }
        return new Order(row.getInt("version"), row.getString("sku"), row.getInt("quantity"));
      }
    }
  }

  /** The one line that matters: the event is a row, written by the same transaction. */
  private static UUID publish(Connection connection, String eventType, long orderId, Order order)
      throws SQLException {
    try (PreparedStatement publish =
        connection.prepareStatement("SELECT outbox_publish('order', ?, ?, ?::json)")) {
      publish.setString(1, Long.toString(orderId));
      publish.setString(2, eventType);
      publish.setString(3, payload(orderId, order));
      try (ResultSet row = publish.executeQuery()) {
        row.next();
        return row.getObject(1, UUID.class);
      }
    }
  }

  // By hand only because the SKUs are ours and need no escaping; an application uses its JSON
  // library.
  private static String payload(long orderId, Order order) {
    return """
        {"orderId":%d,"version":%d,"sku":"%s","quantity":%d}\
        """
        .formatted(orderId, order.version(), order.sku(), order.quantity());
  }
}
