package io.outboxinbox.agent.source.table;

import io.outboxinbox.agent.source.Identifiers;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Collection;
import java.util.HashSet;
import java.util.Set;

/** Tells which events are parked, by id. */
public final class ParkedIds {
  private ParkedIds() {}

  /**
   * Those that wait, of any source.
   *
   * @param eventIds some thousands at most
   */
  public static Set<String> waitingAmong(
      Connection connection, String schema, Collection<String> eventIds) throws SQLException {
    String sql =
        "SELECT event_id FROM "
            + Identifiers.qualified(schema, "outbox_parked")
            + " WHERE state = 'waiting' AND event_id = ANY(?)";
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setArray(1, connection.createArrayOf("text", eventIds.toArray()));
      Set<String> waiting = new HashSet<>();
      try (ResultSet row = statement.executeQuery()) {
        while (row.next()) {
          waiting.add(row.getString(1));
        }
      }
      return waiting;
    }
  }
}
