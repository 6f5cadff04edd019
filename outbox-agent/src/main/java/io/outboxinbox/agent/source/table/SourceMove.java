package io.outboxinbox.agent.source.table;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.SourceConfiguration;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Carries over to another source id what the tables keep of a source, when an operator has said
 * that the one goes on as the other.
 */
public final class SourceMove {
  /** Tables of which every row goes on under the new id. */
  private static final List<String> KEPT =
      List.of("outbox_parked", "outbox_parked_edit", "outbox_reconciliation", "outbox_phantom");

  /** Stands for {@link #ofTable} in a statement. */
  private static final String OF_TABLE = "{ofTable}";

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

  /** Lists events of which several are left, once all is done; ends with a condition. */
  private static final String REPEATED =
      "SELECT event_id, pg_catalog.array_agg(ordinal || ' ' || state ORDER BY ordinal) FROM %1$soutbox_parked WHERE source = %3$s AND event_id IS NOT NULL"
          + " GROUP BY event_id{ofTable} HAVING count(*) > 1 AND bool_or(state = 'waiting') AND ";

  private final String schema;

  /** What tells events apart beside the id; nothing where all are of one table. */
  private final String ofTable;

  private final String from;
  private final String to;

  /**
   * Prepares a move.
   *
   * @param from the id before
   * @param to the id from now on
   */
  public SourceMove(SourceConfiguration source, String from, String to) {
    this.schema = Identifiers.quoted(source.schema()) + ".";
    this.ofTable = source.outboxes().size() == 1 ? "" : ", source_table";
    this.from = Identifiers.literal(from);
    this.to = Identifiers.literal(to);
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
   * @throws AgentException.Misconfigured nobody can tell which table an event is of
   * @return how many parked events were carried over, and what to know of those that were parked
   *     under both ids; empty the second time
   */
  public Optional<String> run(Connection connection) throws SQLException {
    if (isDone(connection)) {
      return Optional.empty();
    }
    if (!ofTable.isEmpty()) {
      refuseRowsWithoutTable(connection);
    }
    settle(connection, "%3$s", 0);
    List<String> told = new ArrayList<>();
    tell(
        told,
        joinRepeats(connection),
        "was",
        "were",
        "parked under both ids, and each is kept once: with what was decided or corrected under either");
    tellOfRepeats(connection, told);
    makeRoom(connection, "outbox_parked", "ordinal", "outbox_parked_edit");
    makeRoom(connection, "outbox_reconciliation", "reconciliation", "outbox_phantom");
    long moved = 0;
    for (String table : KEPT) {
      long rows = run(connection, "UPDATE %1$s" + table + " SET source = %3$s WHERE source = %2$s");
      moved += table.equals("outbox_parked") ? rows : 0;
    }
    tell(told, moved, "was", "were", "carried over from %2$s");
    if (moved == 0) {
      told.add("nothing was parked under " + from);
    }
    run(connection, "DELETE FROM %1$soutbox_backlog WHERE source = %2$s");
    // Last, because the leader's pulse waits for whoever has changed its row.
    run(
        connection,
        """
        UPDATE %1$soutbox_agent_source source SET
          reconciliation = greatest(source.reconciliation,
            (SELECT max(reconciliation) FROM %1$soutbox_reconciliation WHERE source = %3$s)),
          topics_since = CASE WHEN before.topics IS NULL THEN clock_timestamp()
            ELSE greatest(before.topics_since, source.topics_since) END,
          topics = coalesce((
            SELECT pg_catalog.jsonb_object_agg(topic, CASE WHEN is_in_use THEN 'null'::jsonb
                ELSE pg_catalog.to_jsonb(until) END)
            FROM (
              SELECT key AS topic, bool_or(value = 'null'::jsonb) AS is_in_use,
                max((value #>> '{}')::timestamptz) AS until
              FROM (SELECT * FROM jsonb_each(before.topics)
                    UNION ALL SELECT * FROM jsonb_each(source.topics)) of_either
              GROUP BY key) latest), '{}'),
          former_ids = ARRAY(
            SELECT DISTINCT id
            FROM pg_catalog.unnest(before.former_ids || source.former_ids || %2$s::text) id)
        FROM (VALUES (1)) one LEFT JOIN %1$soutbox_agent_source before ON before.source = %2$s
        WHERE source.source = %3$s
        """);
    return Optional.of(String.join("; ", told));
  }

  /** An id is unique in its table only, and an earlier version has not noted it. */
  private void refuseRowsWithoutTable(Connection connection) throws SQLException {
    String of = "WHERE source IN (%2$s, %3$s) AND source_table IS NULL";
    long rows = run(connection, "SELECT count(*) FROM %1$soutbox_parked " + of);
    if (rows > 0) {
      throw new AgentException.Misconfigured(
          "%d parked events do not say which table they are of".formatted(rows),
          "say it: "
              + ("UPDATE %1$soutbox_parked SET source_table = '<table>' " + of)
                  .formatted(schema, from, to));
    }
  }

  /** Whether a try before this one came to its end, and only what follows has to be done again. */
  private boolean isDone(Connection connection) throws SQLException {
    return run(
            connection,
            """
            SELECT count(*) FROM %1$soutbox_agent_source
            WHERE source = %3$s AND %2$s = ANY (former_ids)
              AND NOT EXISTS (SELECT FROM %1$soutbox_parked WHERE source = %2$s)
              AND NOT EXISTS (SELECT FROM %1$soutbox_reconciliation WHERE source = %2$s)
            """)
        > 0;
  }

  /**
   * Settles what is published of the batches on their way under either id, and counts the others as
   * not published, because their numbers say nothing any more. To be called before the rest where
   * the position of the new id is gone on from, or none; else the position has the numbers of the
   * id before, and those of the new one count for nothing.
   *
   * @param lastBefore number of the last batch that is published under the id before; 0 for none
   * @param lastNow the same of the new id
   */
  public void settleBatches(Connection connection, long lastBefore, long lastNow)
      throws SQLException {
    settle(connection, "%2$s", lastBefore);
    settle(connection, "%3$s", lastNow);
  }

  private void settle(Connection connection, String id, long last) throws SQLException {
    String sql =
        """
        UPDATE %1$soutbox_parked SET
          state = CASE WHEN release <= {last} THEN 'released' ELSE state END,
          settled_at = CASE WHEN release <= {last} THEN clock_timestamp() END,
          published_sequence = CASE WHEN release <= {last} THEN published_sequence END,
          release = CASE WHEN release <= {last} THEN release END
        WHERE source = {id} AND state = 'waiting' AND release IS NOT NULL
        """;
    run(connection, sql.replace("{last}", Long.toString(last)).replace("{id}", id));
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
    run(connection, "SET LOCAL enable_nestloop = off");
    String sql =
        """
        WITH parked AS (
          SELECT parked.*, bool_or(source = %2$s) OVER of_id AND bool_or(source = %3$s) OVER of_id
            AS is_under_both
          FROM %1$soutbox_parked parked WHERE source IN (%2$s, %3$s) AND event_id IS NOT NULL
          WINDOW of_id AS (PARTITION BY event_id{ofTable})),
        event AS (
          SELECT parked.source, parked.source_table, ordinal, {content} AS content,
            state <> 'waiting' OR requested IS NOT NULL OR release IS NOT NULL
              OR edited.before IS NOT NULL AS is_decided
          FROM parked LEFT JOIN LATERAL (
            SELECT pg_catalog.jsonb_object_agg(field, {before}) AS before
            FROM (SELECT DISTINCT ON (field) field, before FROM %1$soutbox_parked_edit edit
                  WHERE edit.source = parked.source AND edit.ordinal = parked.ordinal
                  ORDER BY field, edited_at) first) edited ON true
          WHERE is_under_both),
        numbered AS (
          SELECT event.*, row_number() OVER (PARTITION BY content, source{ofTable} ORDER BY ordinal) AS nth
          FROM event),
        pair AS MATERIALIZED (
          SELECT max(ordinal) FILTER (WHERE source = %2$s) AS older,
            max(ordinal) FILTER (WHERE source = %3$s) AS newer,
            bool_or(is_decided AND source = %3$s) AS is_newer_kept
          FROM numbered GROUP BY content, nth{ofTable}
          HAVING count(*) = 2 AND NOT bool_and(is_decided)),
        repeats AS (
          DELETE FROM %1$soutbox_parked parked USING pair
          WHERE source = %3$s AND ordinal = newer AND NOT is_newer_kept),
        place AS (
          DELETE FROM %1$soutbox_parked parked USING pair
          WHERE source = %2$s AND ordinal = older AND is_newer_kept
          RETURNING older, newer),
        edits AS (
          UPDATE %1$soutbox_parked_edit SET source = %2$s, ordinal = older
          FROM place WHERE source = %3$s AND ordinal = newer),
        kept AS (
          UPDATE %1$soutbox_parked SET source = %2$s, ordinal = older
          FROM place WHERE source = %3$s AND ordinal = newer)
        SELECT count(*) FROM pair
        """;
    return run(
        connection,
        sql.replace("{content}", digest(bytes(CONTENT))).replace("{before}", digest("before")));
  }

  /** What people have to look at, each with the query that lists it. */
  private void tellOfRepeats(Connection connection, List<String> told) throws SQLException {
    String underBoth =
        """
        SELECT count(*) FROM (
          SELECT count(DISTINCT source) FILTER (WHERE state = 'waiting') AS waiting
          FROM %1$soutbox_parked WHERE source IN (%2$s, %3$s) AND event_id IS NOT NULL
          GROUP BY event_id{ofTable} HAVING count(DISTINCT source) = 2) event
        WHERE waiting =
        """;
    tell(
        told,
        run(connection, underBoth + "2"),
        "waits",
        "wait",
        "twice, because they differ or were decided under both ids: release one and discard the other, if they are the same; "
            + REPEATED
            + "count(*) FILTER (WHERE state = 'waiting') > 1");
    // Such as of a purged event, of which nothing is left to compare.
    tell(
        told,
        run(connection, underBoth + "1"),
        "waits",
        "wait",
        "although each was settled under the other id: discard it, if it is the same; "
            + REPEATED
            + "bool_or(state <> 'waiting')");
    tell(
        told,
        run(
            connection,
            """
            SELECT least(count(*) FILTER (WHERE source = %2$s), count(*) FILTER (WHERE source = %3$s))
            FROM %1$soutbox_parked
            WHERE source IN (%2$s, %3$s) AND state = 'waiting' AND event_id IS NULL
            """),
        "without an id",
        "without an id",
        "may wait twice: release one and discard the other, if they are the same; SELECT ordinal FROM %1$soutbox_parked WHERE source = %3$s AND state = 'waiting' AND event_id IS NULL");
  }

  /** Tells of one event or several, if there are any. */
  private void tell(List<String> told, long count, String one, String several, String rest) {
    if (count > 0) {
      String events = count == 1 ? "1 event " + one : count + " events " + several;
      told.add(events + " " + rest.replace(OF_TABLE, ofTable).formatted(schema, from, to));
    }
  }

  /**
   * Puts what a table keeps under the new id already behind what comes, where it is not: numbers
   * stay in order and are used once.
   *
   * @param beside table whose rows belong to those of that number
   */
  private void makeRoom(Connection connection, String table, String number, String beside)
      throws SQLException {
    run(
        connection,
        """
        WITH room AS MATERIALIZED (
          SELECT max({number}) AS numbers FROM %1$s{table} WHERE source IN (%2$s, %3$s)
          HAVING min({number}) FILTER (WHERE source = %3$s)
            <= max({number}) FILTER (WHERE source = %2$s)),
        beside AS (
          UPDATE %1$s{beside} SET {number} = {number} + room.numbers FROM room WHERE source = %3$s)
        UPDATE %1$s{table} SET {number} = {number} + room.numbers FROM room WHERE source = %3$s
        """
            .replace("{table}", table)
            .replace("{number}", number)
            .replace("{beside}", beside));
  }

  /** Carries a pause over: what an operator has stopped stays stopped under the new id. */
  public void pause(Connection connection) throws SQLException {
    run(
        connection,
        """
        UPDATE %1$soutbox_agent_source source SET paused_at = before.paused_at,
          paused_by = before.paused_by, paused_reason = before.paused_reason
        FROM %1$soutbox_agent_source before
        WHERE source.source = %3$s AND before.source = %2$s AND before.paused_at IS NOT NULL
        """);
    run(
        connection,
        """
        UPDATE %1$soutbox_agent_source SET paused_at = NULL, paused_by = NULL, paused_reason = NULL
        WHERE source = %2$s AND paused_at IS NOT NULL
        """);
  }

  /**
   * Runs a statement.
   *
   * @param sql in which {@code %1$s} is the schema, {@code %2$s} the id before and {@code %3$s} the
   *     id from now on
   * @return the number it answers with; else how many rows it changed
   */
  private long run(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      if (!statement.execute(sql.replace(OF_TABLE, ofTable).formatted(schema, from, to))) {
        return statement.getLargeUpdateCount();
      }
      try (ResultSet row = statement.getResultSet()) {
        row.next();
        return row.getLong(1);
      }
    }
  }
}
