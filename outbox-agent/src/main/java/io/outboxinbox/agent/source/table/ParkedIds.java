package io.outboxinbox.agent.source.table;

import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.Sql;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Collection;
import java.util.Map;

/** Tells which events nobody has published because they are, or were, parked. */
public final class ParkedIds {
  /** What keeps an event from being published. */
  public enum Kept {
    /** It waits to be published for the first time. */
    WAITING,
    /** An operator has said that it shall not be published. */
    DISCARDED
  }

  private ParkedIds() {}

  /**
   * Those that wait or were discarded, of any source, but not those that are surely of another
   * table. Of several with one id, such as copies of which one was released and the others
   * discarded, a released one says that it was published.
   *
   * @param table whose rows the ids are of
   * @param eventIds some thousands at most
   */
  public static Map<String, Kept> among(
      Connection connection, OutboxTable table, Collection<String> eventIds) throws SQLException {
    String sql =
        """
        SELECT event_id, bool_or(state = 'waiting') FROM %s WHERE event_id = ANY(?)
          AND NOT %s
        GROUP BY event_id
        HAVING bool_or(state = 'waiting') OR NOT bool_or(state = 'released')
        """
            .formatted(
                Identifiers.qualified(table.schema(), "outbox_parked"),
                table.isOther("source_table"));
    return Sql.map(
        connection,
        sql,
        row -> row.getString(1),
        row -> row.getBoolean(2) ? Kept.WAITING : Kept.DISCARDED,
        (Object) eventIds.toArray(String[]::new));
  }
}
