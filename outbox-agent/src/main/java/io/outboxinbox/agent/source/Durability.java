package io.outboxinbox.agent.source;

import java.sql.Connection;
import java.sql.SQLException;

/**
 * Waits for synchronous standbys without a lock. A commit that waits for one keeps all its locks:
 * that of the leader's row keeps the sign of life away, and a leader that is alive would be
 * replaced by one that waits just the same.
 */
public final class Durability {
  private static final int ANSWER_TIMEOUT_SECONDS = 10;

  private Durability() {}

  /** Lets the transaction commit without a standby; call {@link #await} before relying on it. */
  public static void later(Connection connection) throws SQLException {
    Sql.run(connection, "SET LOCAL synchronous_commit = local");
  }

  /**
   * Returns once all that is committed by now is as durable as the server makes what it confirms:
   * standbys confirm in the order of the log.
   *
   * @throws SQLException caused by a timeout where a standby is away
   */
  public static void await(SourceConnections connections) throws SQLException {
    // Only what has written something waits. Of a prefix that is not the agent's, nobody reads it.
    try (Connection connection = connections.open("durability", ANSWER_TIMEOUT_SECONDS)) {
      Sql.run(connection, "SELECT pg_logical_emit_message(true, 'outbox-agent durability', '')");
    }
  }
}
