package io.outboxinbox.agent.pipeline;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;

/** A second outbox table beside the usual one. */
public final class TwoTables {
  /** The usual one alone. */
  public static final String ONE = "slot: " + PipelineRig.SLOT;

  private final PipelineRig rig;

  /** Makes the table, and pipelines started from now on read both. */
  public TwoTables(PipelineRig rig) throws SQLException {
    this.rig = rig;
    rig.execute(
        "CREATE TABLE event (LIKE outbox_event INCLUDING ALL)",
        "GRANT SELECT ON event TO outbox_agent",
        "ALTER PUBLICATION outbox_publication ADD TABLE event");
    list("{table: outbox_event}, {table: event}");
  }

  /** Pipelines started from now on have this list. */
  public void list(String entries) {
    rig.names = ONE + "\n      tables: [" + entries + "]";
  }

  /** Where the event with this number belongs. */
  public static String tableOf(int number) {
    return number % 2 == 0 ? "outbox_event" : "event";
  }

  public static String insert(String table, int number) {
    return insert(table, number, "outbox_uuid7()");
  }

  /** The same with an id, in SQL. */
  public static String insert(String table, int number, String id) {
    return """
        INSERT INTO %s (id, aggregate_type, aggregate_id, event_type, payload)
        VALUES (%s, 'order', 'key-%d', 'placed', '{"n":%d}')
        """
        .formatted(table, id, number % 5, number);
  }

  /**
   * Events {@code from} to {@code to}, exclusive, in turn into both, as one transaction or many.
   */
  public void insert(int from, int to, boolean isOne) throws SQLException {
    try (Connection connection = rig.database.connect();
        Statement statement = connection.createStatement()) {
      connection.setAutoCommit(!isOne);
      for (int i = from; i < to; i++) {
        statement.execute(insert(tableOf(i), i));
      }
      if (isOne) {
        connection.commit();
      }
    }
  }

  /** The id of the event with this number, as SQL that works in another table too. */
  public static String idOf(int number) {
    return "(SELECT id FROM %s WHERE (payload ->> 'n')::int = %d)"
        .formatted(tableOf(number), number);
  }
}
