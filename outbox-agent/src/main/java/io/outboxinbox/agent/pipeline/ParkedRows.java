package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.capture.SourceConfiguration;
import io.outboxinbox.agent.event.Checkpoint.Parking;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;

/** What a reconciliation has to know and do about table {@code outbox_parked}. */
final class ParkedRows {
  private ParkedRows() {}

  /**
   * For a position that is lost: keeps every parked event. A batch that was on its way counts as
   * not published, because nobody knows; that may repeat it, and loses nothing.
   */
  static Parking everything(Connection connection, SourceConfiguration source, String sourceId)
      throws SQLException {
    String sql =
        """
        SELECT coalesce(max(ordinal), 0),
          coalesce(min(release) FILTER (WHERE state = 'waiting') - 1, max(release), 0)
        FROM "%s".outbox_parked WHERE source = ?
        """
            .formatted(source.schema());
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setString(1, sourceId);
      try (ResultSet row = statement.executeQuery()) {
        row.next();
        return new Parking(row.getLong(1), row.getLong(2));
      }
    }
  }

  /** After a rebuild: what was parked in the old cluster waits in this one. */
  static void move(Connection connection, SourceConfiguration source, String from, String to)
      throws SQLException {
    for (String table : new String[] {"outbox_parked", "outbox_parked_edit"}) {
      String sql =
          "UPDATE \"%s\".%s SET source = ? WHERE source = ?".formatted(source.schema(), table);
      try (PreparedStatement statement = connection.prepareStatement(sql)) {
        statement.setString(1, to);
        statement.setString(2, from);
        statement.executeUpdate();
      }
    }
  }
}
