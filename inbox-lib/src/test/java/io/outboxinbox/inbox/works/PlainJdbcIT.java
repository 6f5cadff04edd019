package io.outboxinbox.inbox.works;

import io.outboxinbox.inbox.MessageId;
import io.outboxinbox.inbox.Outcome;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.List;
import javax.sql.DataSource;

/** Nothing but a driver. */
class PlainJdbcIT extends EffectsOnceContract {
  private DataSource dataSource;

  @Override
  boolean consume(MessageId id, Step afterEffect) throws Exception {
    try (Connection connection = dataSource.getConnection()) {
      // The trap: a new connection is in auto-commit mode. The inbox refuses it.
      connection.setAutoCommit(false);
      try {
        Outcome outcome = notTooOld(inbox.admit(connection, id));
        if (outcome.isNew()) {
          reserve(connection, id);
          afterEffect.run();
        }
        connection.commit();
        inbox.committed(List.of(outcome));
        return outcome.isNew();
      } catch (Exception e) {
        connection.rollback();
        throw e;
      }
    }
  }

  static void reserve(Connection connection, MessageId id) throws SQLException {
    try (PreparedStatement insert =
        connection.prepareStatement("INSERT INTO reservation (order_id) VALUES (?)")) {
      insert.setString(1, id.text());
      insert.executeUpdate();
    }
  }

  @Override
  void misuse(MessageId id) throws Exception {
    try (Connection connection = dataSource.getConnection()) {
      inbox.admit(connection, id);
    }
  }

  @Override
  void start() {
    dataSource = dataSource();
  }
}
