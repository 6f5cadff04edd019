package io.outboxinbox.agent.operate;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.source.Sql;
import io.outboxinbox.agent.source.table.Lane;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Writes down what operators want. Only the leading agent does it: here no state changes, but that
 * settled rows are deleted by age. Its connection is in a transaction that the caller ends.
 */
record DeskRequests(DeskTable table) {
  static final String RELEASE = "release";
  static final String DISCARD = "discard";

  private static final int SHOWN_MAX = 20;

  /** Reason of what is left of a purged event. */
  static final String PURGED =
      "purged; what is left keeps a reconciliation from publishing a discarded event whose row is in"
          + " the outbox, or, of the last number, tells a promotion that nothing was lost";

  /** Asks for the release of events by number. */
  DeskAnswer release(DeskSelection.Ordinals selection, String by) throws SQLException {
    DeskAnswer answer = request(RELEASE, selection, by, null);
    Map<Long, Long> blocked = takeBackBlocked();
    if (!blocked.isEmpty()) {
      Map.Entry<Long, Long> first = blocked.entrySet().iterator().next();
      throw new AgentException.Misconfigured(
          "event %d comes after event %d of the same key, which nobody has requested (%d such cases); nothing was requested"
              .formatted(first.getKey(), first.getValue(), blocked.size()),
          "release or discard %d too: events of one key keep their order, and what waits behind %2$d without a fault of its own follows by itself"
              .formatted(first.getValue(), first.getValue()));
    }
    return answer;
  }

  /**
   * Asks for the release of all that matches: of events with a fault of their own. Those behind
   * them follow by themselves.
   */
  DeskAnswer release(DeskFilter filter, String by) throws SQLException {
    DeskWhere where =
        table
            .where(filter)
            .and("state = 'waiting' AND release IS NULL AND requested IS NULL AND NOT is_behind");
    List<DeskAnswer.Taken> taken = update(where, RELEASE, by, null);
    Map<Long, Long> blocked = takeBackBlocked();
    taken.removeIf(event -> blocked.containsKey(event.ordinal()));
    Map<Long, Long> shown = new LinkedHashMap<>();
    blocked.entrySet().stream()
        .limit(SHOWN_MAX)
        .forEach(entry -> shown.put(entry.getKey(), entry.getValue()));
    return new DeskAnswer(taken, shown, blocked.size());
  }

  /** Asks that events be given up. */
  DeskAnswer discard(DeskSelection.Ordinals selection, String by, String reason)
      throws SQLException {
    return request(DISCARD, selection, by, reason);
  }

  private DeskAnswer request(
      String what, DeskSelection.Ordinals selection, String by, @Nullable String reason)
      throws SQLException {
    List<DeskAnswer.Taken> taken = update(open(selection.ordinals()), what, by, reason);
    refuseMissing(selection.ordinals(), taken);
    return new DeskAnswer(taken, Map.of(), 0);
  }

  /** Takes requests back that have not been begun. */
  DeskAnswer cancel(DeskSelection selection) throws SQLException {
    DeskWhere where =
        selection instanceof DeskSelection.Ordinals numbers
            ? open(numbers.ordinals())
            : table
                .where(((DeskSelection.Matching) selection).filter())
                .and("state = 'waiting' AND release IS NULL");
    where.and("requested IS NOT NULL");
    List<DeskAnswer.Taken> taken = update(where, null, null, null);
    if (selection instanceof DeskSelection.Ordinals numbers) {
      refuseMissing(numbers.ordinals(), taken);
    }
    return new DeskAnswer(taken, Map.of(), 0);
  }

  private DeskWhere open(List<Long> ordinals) {
    return DeskWhere.source(table.sourceId())
        .and("ordinal = ANY(?)", (Object) ordinals.toArray(Long[]::new))
        .and("state = 'waiting' AND release IS NULL");
  }

  private List<DeskAnswer.Taken> update(
      DeskWhere where, @Nullable String what, @Nullable String by, @Nullable String reason)
      throws SQLException {
    String sql =
        """
        UPDATE %s SET requested = ?, requested_by = ?, requested_reason = ?,
          requested_at = CASE WHEN ?::text IS NULL THEN NULL ELSE now() END
        WHERE %s RETURNING ordinal, attempts
        """
            .formatted(table.name(), where.sql());
    List<DeskAnswer.Taken> taken =
        Sql.list(
            table.connection(),
            sql,
            Sql.as(DeskAnswer.Taken.class),
            where.values(Arrays.asList(what, by, reason, what)));
    taken.sort(Comparator.comparingLong(DeskAnswer.Taken::ordinal));
    return taken;
  }

  /**
   * Takes this transaction's requests back from events that would have to wait for an earlier event
   * of their {@link Lane} that has a fault of its own and that nobody has requested.
   *
   * @return each with that earlier event, in order
   */
  private Map<Long, Long> takeBackBlocked() throws SQLException {
    String sql =
        """
        WITH first_idle AS (
          SELECT key, destination, min(ordinal) AS ordinal FROM %1$s
          WHERE source = ? AND state = 'waiting' AND key IS NOT NULL AND NOT is_behind
            AND requested IS NULL
          GROUP BY key, destination)
        UPDATE %1$s AS later
        SET requested = NULL, requested_by = NULL, requested_at = NULL, requested_reason = NULL
        FROM first_idle AS earlier
        WHERE later.source = ? AND later.state = 'waiting' AND later.requested = 'release'
          AND later.requested_at = now() AND later.key = earlier.key
          AND later.destination IS NOT DISTINCT FROM earlier.destination
          AND later.ordinal > earlier.ordinal
        RETURNING later.ordinal, earlier.ordinal
        """
            .formatted(table.name());
    return Sql.map(
        table.connection(),
        sql,
        row -> row.getLong(1),
        row -> row.getLong(2),
        table.sourceId(),
        table.sourceId());
  }

  private void refuseMissing(Collection<Long> wanted, List<DeskAnswer.Taken> taken)
      throws SQLException {
    Set<Long> missing = new TreeSet<>(wanted);
    taken.forEach(event -> missing.remove(event.ordinal()));
    if (!missing.isEmpty()) {
      throw refusal(missing.iterator().next(), missing.size());
    }
  }

  /** Says why one event cannot be had. */
  AgentException refusal(long ordinal, int cases) throws SQLException {
    String more = cases > 1 ? " (%d such cases; nothing was requested)".formatted(cases) : "";
    String sql =
        "SELECT state, settled_at, release FROM %s WHERE source = ? AND ordinal = ?"
            .formatted(table.name());
    return Sql.first(
            table.connection(), sql, row -> refusal(row, ordinal, more), table.sourceId(), ordinal)
        .orElseGet(
            () ->
                new AgentException.Misconfigured(
                    "there is no parked event %d%s".formatted(ordinal, more),
                    "see 'parked list --state all'; settled events are gone after a purge"));
  }

  private static AgentException refusal(ResultSet row, long ordinal, String more)
      throws SQLException {
    String state = row.getString("state");
    if (!state.equals("waiting")) {
      Instant settledAt = row.getTimestamp("settled_at").toInstant();
      return new AgentException.Misconfigured(
          "parked event %d was %s already, at %s%s".formatted(ordinal, state, settledAt, more),
          "leave it out; 'parked show' says what became of it");
    }
    if (row.getObject("release") != null) {
      return new AgentException.Misconfigured(
          "parked event %d is being published right now%s".formatted(ordinal, more),
          "look again in some seconds: it is then released, or waiting with a new reason");
    }
    return new AgentException.Misconfigured(
        "nothing was requested for parked event %d%s".formatted(ordinal, more), "leave it out");
  }

  /**
   * Deletes settled rows and the story of their edits. Of a discarded event whose row is still in
   * the outbox the id stays: it alone tells a reconciliation that the row is not to be published.
   * The last number that is settled stays too, without its event: after a promotion the position is
   * compared with it, and would seem to cover events that were lost. What waits behind it may be
   * there only until the position turns out not to cover it.
   *
   * @param isInOutbox condition on columns of {@code parked}
   * @return how many; fewer than {@code rowsMax} at the end
   */
  int purge(Instant before, int rowsMax, String isInOutbox) throws SQLException {
    String sql =
        """
        WITH old AS MATERIALIZED (
          SELECT parked.source, parked.ordinal, kept.is_kept FROM %3$s
          ORDER BY parked.settled_at LIMIT ? FOR UPDATE OF parked SKIP LOCKED),
        gone AS (
          DELETE FROM %1$s AS parked USING old
          WHERE parked.source = old.source AND parked.ordinal = old.ordinal
            AND NOT old.is_kept AND parked.state <> 'waiting'),
        emptied AS (
          UPDATE %1$s AS parked SET reason = ?, key = NULL, payload = NULL, headers = NULL,
            extra = '{}', aggregate_id = NULL, requested_reason = NULL
          FROM old
          WHERE parked.source = old.source AND parked.ordinal = old.ordinal AND old.is_kept),
        stories AS (
          DELETE FROM %2$s AS edit USING old
          WHERE edit.source = old.source AND edit.ordinal = old.ordinal)
        SELECT count(*) FROM old
        """
            .formatted(table.name(), table.edits(), purgeable(isInOutbox));
    return Sql.one(
        table.connection(),
        sql,
        row -> row.getInt(1),
        table.sourceId(),
        table.sourceId(),
        before,
        PURGED,
        rowsMax,
        PURGED);
  }

  /** How many events {@link #purge} would take in all. */
  long countPurgeable(Instant before, String isInOutbox) throws SQLException {
    String sql = "SELECT count(*) FROM " + purgeable(isInOutbox);
    return Sql.one(
        table.connection(),
        sql,
        row -> row.getLong(1),
        table.sourceId(),
        table.sourceId(),
        before,
        PURGED);
  }

  /** What a purge is about: rows {@code parked}, and whether something of them {@code is_kept}. */
  private String purgeable(String isInOutbox) {
    return """
        %1$s AS parked
        CROSS JOIN LATERAL (
          SELECT parked.state = 'discarded' AND %2$s
              OR parked.ordinal = (
                SELECT max(ordinal) FROM %1$s WHERE source = ? AND state <> 'waiting') AS is_kept)
          AS kept
        WHERE parked.source = ? AND parked.state <> 'waiting' AND parked.settled_at < ?
          AND NOT (parked.reason = ? AND kept.is_kept)
        """
        .formatted(table.name(), isInOutbox);
  }
}
