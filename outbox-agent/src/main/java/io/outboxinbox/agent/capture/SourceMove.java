package io.outboxinbox.agent.capture;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;

/**
 * Carries over to another source id what the tables keep of a source, when an operator has said
 * that the one goes on as the other. Each step is one statement and does nothing the second time,
 * so what a crash has cut short is done by the next try.
 */
public final class SourceMove {
  private final SourceConfiguration source;
  private final String from;
  private final String to;

  public SourceMove(SourceConfiguration source, String from, String to) {
    this.source = source;
    this.from = from;
    this.to = to;
  }

  /**
   * Carries over what the next reconciliation relies on: parked and discarded events with the story
   * of their edits, reports and phantoms, the topics events went to. The old backlog is forgotten:
   * a reconciliation makes its own.
   *
   * @param leader the leader's connection
   */
  public void run(Connection leader) throws SQLException {
    execute(
        leader,
        """
        WITH edits AS (UPDATE %1$soutbox_parked_edit SET source = ? WHERE source = ?)
        UPDATE %1$soutbox_parked SET source = ? WHERE source = ?
        """,
        to,
        from,
        to,
        from);
    execute(
        leader,
        """
        WITH phantoms AS (UPDATE %1$soutbox_phantom SET source = ? WHERE source = ?),
        reports AS (
          UPDATE %1$soutbox_reconciliation SET source = ? WHERE source = ? RETURNING reconciliation)
        UPDATE %1$soutbox_agent_source SET reconciliation =
          greatest(reconciliation, (SELECT max(reconciliation) FROM reports)) WHERE source = ?
        """,
        to,
        from,
        to,
        from,
        to);
    execute(
        leader,
        """
        UPDATE %1$soutbox_agent_source source SET
          topics_since = CASE WHEN before.topics IS NULL THEN clock_timestamp()
            ELSE greatest(before.topics_since, source.topics_since) END,
          topics = coalesce(before.topics, '{}') || coalesce(source.topics, '{}'),
          former_ids = coalesce(before.former_ids, '{}') || ?::text
        FROM (SELECT max(topics::text)::jsonb AS topics, max(topics_since) AS topics_since,
                max(former_ids) AS former_ids
              FROM %1$soutbox_agent_source WHERE source = ?) before
        WHERE source.source = ?
        """,
        from,
        from,
        to);
    execute(leader, "DELETE FROM %1$soutbox_backlog WHERE source = ?", from);
  }

  /** Carries a pause over: what an operator has stopped stays stopped under the new id. */
  public void pause(Connection connection) throws SQLException {
    execute(
        connection,
        """
        UPDATE %1$soutbox_agent_source source SET paused_at = before.paused_at,
          paused_by = before.paused_by, paused_reason = before.paused_reason
        FROM %1$soutbox_agent_source before
        WHERE source.source = ? AND before.source = ? AND before.paused_at IS NOT NULL
        """,
        to,
        from);
    execute(
        connection,
        """
        UPDATE %1$soutbox_agent_source SET paused_at = NULL, paused_by = NULL, paused_reason = NULL
        WHERE source = ? AND paused_at IS NOT NULL
        """,
        from);
  }

  private void execute(Connection connection, String sql, String... parameters)
      throws SQLException {
    String schema = Identifiers.quoted(source.schema()) + ".";
    try (PreparedStatement statement = connection.prepareStatement(sql.formatted(schema))) {
      for (int i = 0; i < parameters.length; i++) {
        statement.setString(i + 1, parameters[i]);
      }
      statement.executeUpdate();
    }
  }
}
