package io.outboxinbox.agent.source.slot;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Lsn;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.source.Durability;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.Sql;
import io.outboxinbox.agent.source.outbox.Candidates;
import io.outboxinbox.agent.source.table.Backlog;
import io.outboxinbox.agent.source.table.SourceRegistry;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Function;

/**
 * Creates the slot, and remembers the rows that are older than it.
 *
 * <p>The slot's exported snapshot shows exactly the rows whose transactions the slot will not send.
 * A snapshot dies with its connection, so their ids are copied into a table of ours at once: the
 * bootstrap can then be interrupted anywhere and goes on without asking what was visible when.
 *
 * @param source whose slot it is
 * @param connections of this lead, which end with it
 */
public record FirstStart(SourceConfiguration source, SourceConnections connections) {

  /** Creating a slot waits for all transactions then running; say so instead of hanging. */
  private static final Duration CREATE_TIMEOUT = Duration.ofSeconds(60);

  /** The server ends the statement before; after this long nobody answers any more. */
  private static final int ENDS_WITHIN_SECONDS =
      Math.toIntExact(CREATE_TIMEOUT.toSeconds()) + SourceConnections.ANSWER_TIMEOUT_SECONDS;

  private static final String DUPLICATE_OBJECT = "42710";

  /**
   * What the slot's snapshot showed.
   *
   * @param position where streaming begins
   * @param filled the rows older than that which have to be published first
   */
  public record Seed(SourcePosition position, Backlog.Filled filled) {}

  /**
   * Creates the slot of a first start and, if configured, writes down the ids of older rows.
   *
   * @param turn as begun in the {@link SourceRegistry}
   * @param own the slot it has read so far; empty for none
   * @throws AgentException.Retryable a long transaction keeps the slot from being created, or
   *     another agent has taken the turn
   * @throws SQLException as the server says
   */
  public Seed createSlot(String sourceId, SourceRegistry.Turn turn, Optional<String> own)
      throws SQLException {
    return createSlot(
        sourceId,
        turn,
        table ->
            table.existingRows() == SourceConfiguration.ExistingRows.PUBLISH
                ? Candidates.ALL
                : Candidates.NONE,
        own);
  }

  /**
   * Creates a slot and writes down which rows older than it may have to be published.
   *
   * @throws AgentException.Retryable as above
   */
  public Seed createSlot(
      String sourceId,
      SourceRegistry.Turn turn,
      Function<OutboxTable, Candidates> candidates,
      Optional<String> own)
      throws SQLException {
    try (Connection replication = connections.openReplication("slot", ENDS_WITHIN_SECONDS);
        Statement statement = replication.createStatement()) {
      statement.setQueryTimeout(Math.toIntExact(CREATE_TIMEOUT.toSeconds()));
      long begin = System.nanoTime();
      String sql =
          "CREATE_REPLICATION_SLOT %s LOGICAL pgoutput%s"
              .formatted(
                  Identifiers.quoted(source.slot()), FailoverSlot.option(replication, source));
      try (ResultSet slot = statement.executeQuery(sql)) {
        slot.next();
        SourcePosition position =
            SourcePosition.atCommit(Lsn.parse(slot.getString("consistent_point")));
        // The snapshot lives until the next command on this connection.
        return new Seed(
            position,
            source.outboxes().stream().map(candidates).allMatch(Candidates::isNothing)
                ? Backlog.Filled.NOTHING
                : copyIds(sourceId, turn, candidates, slot.getString("snapshot_name")));
      } catch (SQLException e) {
        takeNoteBack(sourceId, own, e);
        // The same SQLState when somebody else ends the statement, and then it is not the wait.
        if ("57014".equals(e.getSQLState())
            && System.nanoTime() - begin >= CREATE_TIMEOUT.toNanos()) {
          throw new AgentException.Retryable(
              "slot %s could not be created within %d s; creating one waits for transactions that were already running: see pg_stat_activity for the oldest xact_start"
                  .formatted(source.slot(), CREATE_TIMEOUT.toSeconds()),
              e);
        }
        throw e;
      }
    }
  }

  /**
   * It was noted as the source's own before it was there. Now it is not, or somebody else was
   * faster: who has that name next, owns it.
   */
  private void takeNoteBack(String sourceId, Optional<String> own, SQLException refused) {
    try (Connection connection = connections.open("bootstrap", 30)) {
      if (DUPLICATE_OBJECT.equals(refused.getSQLState())
          || SlotState.of(connection, source.slot()).isEmpty()) {
        String former = own.filter(slot -> !slot.equals(source.slot())).orElse("");
        new SourceRegistry(source).noteSlot(connection, sourceId, former);
      }
    } catch (SQLException alsoRefused) {
      refused.addSuppressed(alsoRefused);
    }
  }

  private Backlog.Filled copyIds(
      String sourceId,
      SourceRegistry.Turn turn,
      Function<OutboxTable, Candidates> candidates,
      String snapshot)
      throws SQLException {
    try (Connection connection = connections.open("bootstrap", 0);
        Connection reader = connections.open("bootstrap", 30)) {
      connection.setAutoCommit(false);
      connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
      // Comes from the server a moment ago; the command takes no parameters.
      Sql.run(connection, "SET TRANSACTION SNAPSHOT " + Identifiers.literal(snapshot));
      Durability.later(connection);
      new SourceRegistry(source).requireTurn(reader, sourceId, turn);
      Backlog backlog = new Backlog(source);
      backlog.clear(connection, sourceId);
      Backlog.Filled filled = backlog.fill(connection, sourceId, candidates);
      connection.commit();
      Durability.await(connections);
      return filled;
    }
  }

  /** Drops a slot of which nothing was ever published, or nothing will be any more. */
  public void dropSlot(Connection connection) throws SQLException {
    // Never one of another database, which is another agent's.
    String sql =
        """
        SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
        WHERE slot_name = ? AND database = current_database()
        """;
    Sql.list(connection, sql, row -> source.slot(), source.slot());
  }
}
