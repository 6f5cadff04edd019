package io.outboxinbox.agent.source.table;

import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.SourceConfiguration;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Carries over to another source id what the tables keep of a source, when an operator has said
 * that the one goes on as the other.
 */
public final class SourceMove {
  private static final Pattern ID = Pattern.compile("(?<!:):(from|to)\\b");

  /** Tables of which every row goes on under the new id. */
  private static final List<String> KEPT =
      List.of("outbox_parked", "outbox_parked_edit", "outbox_reconciliation", "outbox_phantom");

  /** Digests make it: contents may be longer than a value of the server's may be. */
  private static final String CONTENT =
      Stream.of(
              "event_id",
              "aggregate_type",
              "aggregate_id",
              "event_type",
              "content_type",
              "headers",
              "topic",
              "occurred_at",
              "extra")
          .map(column -> "'%1$s', %2$s".formatted(column, digest(bytes(column))))
          .collect(
              Collectors.joining(
                  ", ",
                  "(pg_catalog.jsonb_build_object(",
                  ", 'payload', " + digest("payload") + ") || coalesce(edited.before, '{}'))"));

  private final SourceConfiguration source;
  private final String from;
  private final String to;

  public SourceMove(SourceConfiguration source, String from, String to) {
    this.source = source;
    this.from = from;
    this.to = to;
  }

  private static String bytes(String column) {
    return "pg_catalog.convert_to(" + column + "::text, 'UTF8'::name)";
  }

  private static String digest(String bytes) {
    return "pg_catalog.encode(pg_catalog.sha256(" + bytes + "), 'hex'::text)";
  }

  /**
   * Carries over what the next reconciliation relies on: parked and discarded events with the story
   * of their edits, reports and phantoms, the topics events went to. The old backlog is forgotten:
   * a reconciliation makes its own. Does nothing the second time.
   *
   * @param connection in a transaction, since a part of it would be done again by the next try
   * @return what to know of events that were parked under both ids; empty if there were none
   */
  public Optional<String> run(Connection connection) throws SQLException {
    if (isDone(connection)) {
      return Optional.empty();
    }
    forgetBatches(connection);
    Optional<String> told = told(connection, joinRepeats(connection));
    makeRoom(connection);
    for (String table : KEPT) {
      execute(connection, "UPDATE %1$s" + table + " SET source = :to WHERE source = :from");
    }
    execute(connection, "DELETE FROM %1$soutbox_backlog WHERE source = :from");
    // Last, because the leader's pulse waits for whoever has changed its row.
    execute(
        connection,
        """
        UPDATE %1$soutbox_agent_source source SET
          reconciliation = greatest(source.reconciliation,
            (SELECT max(reconciliation) FROM %1$soutbox_reconciliation WHERE source = :to)),
          topics_since = CASE WHEN before.topics IS NULL THEN clock_timestamp()
            ELSE greatest(before.topics_since, source.topics_since) END,
          topics = coalesce(before.topics, '{}') || coalesce(source.topics, '{}'),
          former_ids = coalesce(before.former_ids, '{}') || :from::text
        FROM (SELECT max(topics::text)::jsonb AS topics, max(topics_since) AS topics_since,
                max(former_ids) AS former_ids
              FROM %1$soutbox_agent_source WHERE source = :from) before
        WHERE source.source = :to
        """);
    return told;
  }

  /** Whether a try before this one came to its end, and only what follows has to be done again. */
  private boolean isDone(Connection connection) throws SQLException {
    return number(
            connection,
            """
            SELECT count(*) FROM %1$soutbox_agent_source
            WHERE source = :to AND :from = ANY (former_ids)
              AND NOT EXISTS (SELECT FROM %1$soutbox_parked WHERE source = :from)
              AND NOT EXISTS (SELECT FROM %1$soutbox_reconciliation WHERE source = :from)
            """)
        > 0;
  }

  /**
   * A batch that was on its way under the new id counts as not published, because its number says
   * nothing any more: the position has those of the old id.
   */
  private void forgetBatches(Connection connection) throws SQLException {
    execute(
        connection,
        """
        UPDATE %1$soutbox_parked SET release = NULL, published_sequence = NULL
        WHERE source = :to AND state = 'waiting' AND release IS NOT NULL
        """);
  }

  /**
   * Makes one of an event parked under both ids, such as by an agent that began anew in the new
   * cluster. It is the same event if all was the same that is published of it, before anybody
   * corrected it. What somebody has decided or corrected is kept, at the place of the older one,
   * because others of its key wait behind that; if that was done under both ids, both stay.
   *
   * @return of how many events one was kept
   */
  private long joinRepeats(Connection connection) throws SQLException {
    // Of a table filled a moment ago the server knows nothing, and would compare each row with
    // each.
    execute(connection, "SET LOCAL enable_nestloop = off");
    String sql =
        """
        WITH parked AS (
          SELECT parked.*, bool_or(source = :from) OVER of_id AND bool_or(source = :to) OVER of_id
            AS is_under_both
          FROM %1$soutbox_parked parked WHERE source IN (:from, :to) AND event_id IS NOT NULL
          WINDOW of_id AS (PARTITION BY event_id)),
        event AS (
          SELECT parked.source, ordinal, {content} AS content,
            state <> 'waiting' OR requested IS NOT NULL OR release IS NOT NULL
              OR edited.before IS NOT NULL AS is_decided
          FROM parked LEFT JOIN LATERAL (
            SELECT pg_catalog.jsonb_object_agg(field, {before}) AS before
            FROM (SELECT DISTINCT ON (field) field, before FROM %1$soutbox_parked_edit edit
                  WHERE edit.source = parked.source AND edit.ordinal = parked.ordinal
                  ORDER BY field, edited_at) first) edited ON true
          WHERE is_under_both),
        numbered AS (
          SELECT event.*, row_number() OVER (PARTITION BY content, source ORDER BY ordinal) AS nth
          FROM event),
        pair AS MATERIALIZED (
          SELECT max(ordinal) FILTER (WHERE source = :from) AS older,
            max(ordinal) FILTER (WHERE source = :to) AS newer,
            bool_or(is_decided AND source = :to) AS is_newer_kept
          FROM numbered GROUP BY content, nth
          HAVING count(*) = 2 AND NOT bool_and(is_decided)),
        repeats AS (
          DELETE FROM %1$soutbox_parked parked USING pair
          WHERE source = :to AND ordinal = newer AND NOT is_newer_kept),
        place AS (
          DELETE FROM %1$soutbox_parked parked USING pair
          WHERE source = :from AND ordinal = older AND is_newer_kept
          RETURNING older, newer),
        edits AS (
          UPDATE %1$soutbox_parked_edit SET source = :from, ordinal = older
          FROM place WHERE source = :to AND ordinal = newer),
        kept AS (
          UPDATE %1$soutbox_parked SET source = :from, ordinal = older
          FROM place WHERE source = :to AND ordinal = newer)
        SELECT count(*) FROM pair
        """;
    return number(
        connection,
        sql.replace("{content}", digest(bytes(CONTENT))).replace("{before}", digest("before")));
  }

  private Optional<String> told(Connection connection, long joined) throws SQLException {
    long twice =
        number(
            connection,
            """
            SELECT count(*) FROM (
              SELECT FROM %1$soutbox_parked
              WHERE source IN (:from, :to) AND state = 'waiting' AND event_id IS NOT NULL
              GROUP BY event_id HAVING count(DISTINCT source) = 2) event
            """);
    List<String> told = new ArrayList<>();
    if (joined > 0) {
      told.add(
          "%s parked under both ids, and each is kept once: with what was decided or corrected under either"
              .formatted(joined == 1 ? "1 event was" : joined + " events were"));
    }
    if (twice > 0) {
      told.add(
          "%s twice, because they differ or were decided under both ids: release one and discard the other, if they are the same; SELECT event_id FROM %soutbox_parked WHERE source = '%s' AND state = 'waiting' AND event_id IS NOT NULL GROUP BY event_id HAVING count(*) > 1"
              .formatted(
                  twice == 1 ? "1 event waits" : twice + " events wait",
                  schema(),
                  to.replace("'", "''")));
    }
    return told.isEmpty() ? Optional.empty() : Optional.of(String.join("; ", told));
  }

  /**
   * Puts what the tables keep under the new id already behind what comes, where it is not: numbers
   * stay in order and are used once.
   */
  private void makeRoom(Connection connection) throws SQLException {
    execute(
        connection,
        """
        WITH room AS MATERIALIZED (
          SELECT max(ordinal) AS ordinals FROM %1$soutbox_parked WHERE source IN (:from, :to)
          HAVING min(ordinal) FILTER (WHERE source = :to)
            <= max(ordinal) FILTER (WHERE source = :from)),
        edits AS (
          UPDATE %1$soutbox_parked_edit SET ordinal = ordinal + room.ordinals
          FROM room WHERE source = :to)
        UPDATE %1$soutbox_parked SET ordinal = ordinal + room.ordinals
        FROM room WHERE source = :to
        """);
    execute(
        connection,
        """
        WITH room AS MATERIALIZED (
          SELECT max(reconciliation) AS reports FROM %1$soutbox_reconciliation
          WHERE source IN (:from, :to)
          HAVING min(reconciliation) FILTER (WHERE source = :to)
            <= max(reconciliation) FILTER (WHERE source = :from)),
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
    try (PreparedStatement statement = prepare(connection, sql)) {
      statement.executeUpdate();
    }
  }

  /** The same for one that answers with a number. */
  private long number(Connection connection, String sql) throws SQLException {
    try (PreparedStatement statement = prepare(connection, sql);
        ResultSet row = statement.executeQuery()) {
      row.next();
      return row.getLong(1);
    }
  }

  private PreparedStatement prepare(Connection connection, String sql) throws SQLException {
    List<String> ids = new ArrayList<>();
    Matcher names = ID.matcher(sql);
    while (names.find()) {
      ids.add(names.group().equals(":from") ? from : to);
    }
    PreparedStatement statement =
        connection.prepareStatement(names.replaceAll("?").formatted(schema()));
    for (int i = 0; i < ids.size(); i++) {
      statement.setString(i + 1, ids.get(i));
    }
    return statement;
  }

  private String schema() {
    return Identifiers.quoted(source.schema()) + ".";
  }
}
