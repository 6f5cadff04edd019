package io.outboxinbox.agent.source.table;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.source.AgentTables;
import io.outboxinbox.agent.source.Durability;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.InTransaction;
import io.outboxinbox.agent.source.LockHolder;
import io.outboxinbox.agent.source.LockLimit;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.Sql;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * What is done to the agent's tables all or not at all, on a session of its own. It may take as
 * long as it takes, and the leader's own session goes on pulsing beside it; but nobody's lock is
 * waited for longer than a moment, and the next try begins where this one began. What belongs to
 * other sources is free meanwhile.
 *
 * @param source in whose schema the tables are
 * @param connections of this lead, so that whoever leads next ends what still runs
 */
public record WholeChange(SourceConfiguration source, SourceConnections connections) {
  /** No time limit to an answer, as when the list of older rows is made: tables have any size. */
  private static final int ANSWER_TIMEOUT_SECONDS = 0;

  /**
   * What was read of parked events still holds when it is written: nobody decides meanwhile, and
   * whoever corrects an event locks its row before he writes about it. No event is parked either,
   * since only the source's leader does that.
   */
  private static final String LOCK =
      "SELECT count(*) FROM (SELECT FROM %s WHERE source = ANY (?) FOR UPDATE) locked";

  /** Written once the slot is made, and not known to be free before that unless it is now. */
  private static final String LOCK_BACKLOG = "LOCK TABLE %s IN ROW EXCLUSIVE MODE";

  /** What may keep others from changing rows, and whoever waits in front of them to do so. */
  private static final String IS_IN_THE_WAY =
      """
      l.relation = pg_catalog.to_regclass(?::text) AND (
        l.granted AND l.mode IN ('RowShareLock', 'RowExclusiveLock')
        OR l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))
      """;

  /** Statements that belong together. */
  @FunctionalInterface
  public interface Statements<T> {
    /**
     * Leaves the transaction open.
     *
     * @throws SQLException nothing is to be changed
     */
    T run(Connection connection) throws SQLException;
  }

  /**
   * Makes the change.
   *
   * @param what it is, for a message
   * @param sources whose parked events are read and written, if any
   * @throws AgentException.Retryable somebody else has locked what is to be changed
   */
  public <T> T make(String what, Set<String> sources, Statements<T> statements)
      throws SQLException {
    // Before as well: while a standby is away, nothing is begun again and again.
    Durability.await(connections);
    T result = makeLocally(what, sources, statements);
    Durability.await(connections);
    return result;
  }

  private <T> T makeLocally(String what, Set<String> sources, Statements<T> statements)
      throws SQLException {
    try (Connection connection = connections.open("change", ANSWER_TIMEOUT_SECONDS)) {
      try {
        return InTransaction.run(
            connection,
            () -> {
              Durability.later(connection);
              lock(connection, sources);
              return statements.run(connection);
            });
      } catch (SQLException e) {
        if (LockLimit.isOver(e)) {
          throw explained(connection, what, e);
        }
        throw e;
      }
    }
  }

  private void lock(Connection connection, Set<String> sources) throws SQLException {
    String schema = source.schema();
    Sql.run(connection, LOCK_BACKLOG.formatted(Identifiers.qualified(schema, "outbox_backlog")));
    String[] ids = sources.toArray(String[]::new);
    Sql.one(
        connection,
        LOCK.formatted(ParkedTable.qualified(schema)),
        row -> row.getLong(1),
        (Object) ids);
  }

  private AgentException explained(Connection connection, String what, SQLException e)
      throws SQLException {
    List<String> locked = new ArrayList<>();
    List<LockHolder> all = new ArrayList<>();
    for (String table : AgentTables.names()) {
      List<LockHolder> holders =
          LockHolder.others(
              connection, IS_IN_THE_WAY, Identifiers.qualified(source.schema(), table));
      if (!holders.isEmpty()) {
        locked.add("table %s is locked by %s".formatted(table, LockHolder.names(holders)));
        holders.stream().filter(holder -> !all.contains(holder)).forEach(all::add);
      }
    }
    return new AgentException.Retryable(
        AgentException.Retryable.Side.DATABASE,
        locked.isEmpty()
            ? "%s waited too long for a lock that is gone by now; nothing was changed"
                .formatted(what)
            : "%s cannot be done: %s; nothing was changed; fix: %s"
                .formatted(what, String.join(", ", locked), LockHolder.ends(all)),
        e);
  }
}
