package io.outboxinbox.agent.capture;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Lsn;
import io.outboxinbox.agent.event.SourcePosition;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/**
 * Creates the slot, and remembers the rows that are older than it.
 *
 * <p>The slot's exported snapshot shows exactly the rows whose transactions the slot will not send.
 * A snapshot dies with its connection, so their ids are copied into a table of ours at once: the
 * bootstrap can then be interrupted anywhere and goes on without asking what was visible when.
 */
public final class FirstStart {

  /** Creating a slot waits for all transactions then running; say so instead of hanging. */
  private static final int CREATE_TIMEOUT_SECONDS = 60;

  private final SourceConfiguration source;
  private final SourceConnections connections;

  public FirstStart(SourceConfiguration source, SourceConnections connections) {
    this.source = source;
    this.connections = connections;
  }

  /**
   * What a first start found.
   *
   * @param position where streaming begins
   * @param backlogRows rows older than that, to be published first
   */
  public record Seed(SourcePosition position, long backlogRows) {}

  /**
   * Creates the slot and, if configured, writes down the ids of older rows.
   *
   * @param epoch as begun in the {@link SourceRegistry}
   * @throws AgentException.Retryable a long transaction keeps the slot from being created, or
   *     another agent has begun a later epoch
   * @throws SQLException as the server says
   */
  public Seed createSlot(String sourceId, long epoch) throws SQLException {
    try (Connection replication = connections.openReplication("slot");
        Statement statement = replication.createStatement()) {
      statement.setQueryTimeout(CREATE_TIMEOUT_SECONDS);
      String sql =
          "CREATE_REPLICATION_SLOT " + Identifiers.quoted(source.slot()) + " LOGICAL pgoutput";
      try (ResultSet slot = statement.executeQuery(sql)) {
        slot.next();
        SourcePosition position =
            SourcePosition.atCommit(Lsn.parse(slot.getString("consistent_point")));
        // The snapshot lives until the next command on this connection.
        long rows =
            source.existingRows() == SourceConfiguration.ExistingRows.PUBLISH
                ? copyIds(sourceId, epoch, slot.getString("snapshot_name"))
                : 0;
        return new Seed(position, rows);
      } catch (SQLException e) {
        if ("57014".equals(e.getSQLState())) {
          throw new AgentException.Retryable(
              "slot "
                  + source.slot()
                  + " could not be created within "
                  + CREATE_TIMEOUT_SECONDS
                  + "s: it waits for transactions that were already running; see"
                  + " pg_stat_activity for the oldest xact_start",
              e);
        }
        throw e;
      }
    }
  }

  private long copyIds(String sourceId, long epoch, String snapshot) throws SQLException {
    try (Connection connection = connections.open("bootstrap", 0);
        Connection reader = connections.open("bootstrap", 30)) {
      connection.setAutoCommit(false);
      connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
      try (Statement statement = connection.createStatement()) {
        // Comes from the server a moment ago; the command takes no parameters.
        statement.execute("SET TRANSACTION SNAPSHOT '" + snapshot.replace("'", "''") + "'");
      }
      new SourceRegistry(source).holdEpoch(connection, reader, sourceId, epoch);
      Backlog backlog = new Backlog(source);
      backlog.clear(connection, sourceId);
      long rows = backlog.fill(connection, sourceId);
      connection.commit();
      return rows;
    }
  }

  /** Drops a slot of which nothing was ever published. */
  public void dropSlot(Connection connection) throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement("SELECT pg_drop_replication_slot(?)")) {
      statement.setString(1, source.slot());
      statement.execute();
    }
  }
}
