package io.outboxinbox.agent.source.table;

import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.SourceConfiguration;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Carries over to another source id what the tables keep of a source, when an operator has said
 * that the one goes on as the other. Each step is one statement and does no harm the second time,
 * so what a crash has cut short is done by the next try.
 */
public final class SourceMove {
  private static final Pattern ID = Pattern.compile("(?<!:):(from|to)\\b");

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
    dropRepeats(leader);
    makeRoom(leader);
    execute(
        leader,
        """
        WITH edits AS (UPDATE %1$soutbox_parked_edit SET source = :to WHERE source = :from)
        UPDATE %1$soutbox_parked SET source = :to WHERE source = :from
        """);
    execute(
        leader,
        """
        UPDATE %1$soutbox_agent_source SET reconciliation = greatest(reconciliation,
          (SELECT max(reconciliation) FROM %1$soutbox_reconciliation WHERE source IN (:from, :to)))
        WHERE source = :to
        """);
    execute(
        leader,
        """
        WITH phantoms AS (UPDATE %1$soutbox_phantom SET source = :to WHERE source = :from)
        UPDATE %1$soutbox_reconciliation SET source = :to WHERE source = :from
        """);
    execute(
        leader,
        """
        UPDATE %1$soutbox_agent_source source SET
          topics_since = CASE WHEN before.topics IS NULL THEN clock_timestamp()
            ELSE greatest(before.topics_since, source.topics_since) END,
          topics = coalesce(before.topics, '{}') || coalesce(source.topics, '{}'),
          former_ids = coalesce(before.former_ids, '{}') || :from::text
        FROM (SELECT max(topics::text)::jsonb AS topics, max(topics_since) AS topics_since,
                max(former_ids) AS former_ids
              FROM %1$soutbox_agent_source WHERE source = :from) before
        WHERE source.source = :to
        """);
    execute(leader, "DELETE FROM %1$soutbox_backlog WHERE source = :from");
  }

  /**
   * Of an event parked under both ids, such as by an agent that began anew in the new cluster, one
   * stays: the one that is settled, else the older. An event that was corrected under one of them
   * stays twice, for people to decide.
   */
  private void dropRepeats(Connection leader) throws SQLException {
    execute(
        leader,
        """
        WITH numbered AS (
          SELECT source, ordinal, state, event_id, payload,
            row_number() OVER (PARTITION BY event_id, payload, source ORDER BY ordinal) AS nth
          FROM %1$soutbox_parked WHERE source IN (:from, :to) AND event_id IS NOT NULL),
        ranked AS (
          SELECT source, ordinal, row_number() OVER (
            PARTITION BY event_id, payload, nth ORDER BY state = 'waiting', source = :to) AS rank
          FROM numbered),
        twice AS MATERIALIZED (SELECT source, ordinal FROM ranked WHERE rank = 2),
        edits AS (
          DELETE FROM %1$soutbox_parked_edit edit USING twice
          WHERE edit.source = twice.source AND edit.ordinal = twice.ordinal)
        DELETE FROM %1$soutbox_parked parked USING twice
        WHERE parked.source = twice.source AND parked.ordinal = twice.ordinal
        """);
  }

  /**
   * Puts what the tables keep under the new id already behind what comes: numbers stay in order and
   * are used once. A batch that was on its way under the new id counts as not published, because
   * its number says nothing any more.
   */
  private void makeRoom(Connection leader) throws SQLException {
    execute(
        leader,
        """
        WITH room AS MATERIALIZED (
          SELECT max(ordinal) AS ordinals FROM %1$soutbox_parked WHERE source IN (:from, :to)
          HAVING bool_or(source = :from)),
        edits AS (
          UPDATE %1$soutbox_parked_edit SET ordinal = ordinal + room.ordinals
          FROM room WHERE source = :to)
        UPDATE %1$soutbox_parked SET ordinal = ordinal + room.ordinals,
          release = CASE WHEN state <> 'waiting' THEN release END,
          published_sequence = CASE WHEN state <> 'waiting' THEN published_sequence END
        FROM room WHERE source = :to
        """);
    execute(
        leader,
        """
        WITH room AS MATERIALIZED (
          SELECT max(reconciliation) AS reports FROM %1$soutbox_reconciliation
          WHERE source IN (:from, :to) HAVING bool_or(source = :from)),
        phantoms AS (
          UPDATE %1$soutbox_phantom SET reconciliation = reconciliation + room.reports
          FROM room WHERE source = :to)
        UPDATE %1$soutbox_reconciliation SET reconciliation = reconciliation + room.reports
        FROM room WHERE source = :to
        """);
  }

  /** Carries a pause over: what an operator has stopped stays stopped under the new id. */
  public void pause(Connection connection) throws SQLException {
    execute(
        connection,
        """
        UPDATE %1$soutbox_agent_source source SET paused_at = before.paused_at,
          paused_by = before.paused_by, paused_reason = before.paused_reason
        FROM %1$soutbox_agent_source before
        WHERE source.source = :to AND before.source = :from AND before.paused_at IS NOT NULL
        """);
    execute(
        connection,
        """
        UPDATE %1$soutbox_agent_source SET paused_at = NULL, paused_by = NULL, paused_reason = NULL
        WHERE source = :from AND paused_at IS NOT NULL
        """);
  }

  /** Runs a statement on the tables of the schema; {@code :from} and {@code :to} are the ids. */
  private void execute(Connection connection, String sql) throws SQLException {
    List<String> ids = new ArrayList<>();
    Matcher names = ID.matcher(sql);
    while (names.find()) {
      ids.add(names.group().equals(":from") ? from : to);
    }
    String schema = Identifiers.quoted(source.schema()) + ".";
    try (PreparedStatement statement =
        connection.prepareStatement(names.replaceAll("?").formatted(schema))) {
      for (int i = 0; i < ids.size(); i++) {
        statement.setString(i + 1, ids.get(i));
      }
      statement.executeUpdate();
    }
  }
}
