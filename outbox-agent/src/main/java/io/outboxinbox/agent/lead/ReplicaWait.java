package io.outboxinbox.agent.lead;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.Sql;
import java.net.SocketTimeoutException;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Optional;

/**
 * Names a wait that looks like a dead database: a commit that no synchronous standby confirms does
 * not return, and its session keeps its locks even after its client has gone.
 */
public final class ReplicaWait {
  private static final int ANSWER_TIMEOUT_SECONDS = 5;

  private ReplicaWait() {}

  /**
   * Looks into a failure while the session that may have caused it is still there.
   *
   * @throws AgentException.Retryable an answer did not come because of such a wait
   */
  public static void throwIfWaiting(SQLException failure, SourceConfiguration source) {
    if (AgentException.causes(failure).noneMatch(SocketTimeoutException.class::isInstance)) {
      return;
    }
    Optional<AgentException> wait;
    try (Connection connection =
        new SourceConnections(source).open("preflight", ANSWER_TIMEOUT_SECONDS)) {
      wait = of(connection);
    } catch (SQLException | AgentException e) {
      failure.addSuppressed(e);
      return;
    }
    if (wait.isPresent()) {
      wait.get().addSuppressed(failure);
      throw wait.get();
    }
  }

  /** The wait of a session of this role in this database; empty if there is none. */
  static Optional<AgentException> of(Connection connection) throws SQLException {
    String sql =
        """
        SELECT pid, application_name, current_setting('synchronous_standby_names')
        FROM pg_stat_activity
        WHERE usename = current_user AND datname = current_database() AND wait_event = 'SyncRep'
          AND application_name LIKE 'outbox-agent%'
        ORDER BY state_change LIMIT 1
        """;
    return Sql.first(
        connection,
        sql,
        row ->
            new AgentException.Retryable(
                AgentException.Retryable.Side.DATABASE,
                "process %d (%s) waits for a synchronous standby to confirm its commit (synchronous_standby_names = '%s'), as every writer does; fix: bring the standby back, or ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf(); /* gives up that commits survive the loss of this server */"
                    .formatted(row.getInt(1), row.getString(2), row.getString(3))));
  }
}
