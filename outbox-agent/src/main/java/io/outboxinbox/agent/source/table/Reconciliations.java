package io.outboxinbox.agent.source.table;

import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.Sql;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Tables {@code outbox_reconciliation} and {@code outbox_phantom}, and what operators ask for: who
 * wants a reconciliation, which have been done, and what they found.
 */
public final class Reconciliations {

  /**
   * What an operator wants.
   *
   * @param accepts system identifier of the cluster this database was before; null when the cluster
   *     has not changed
   */
  public record Request(Instant at, String by, @Nullable String accepts) {
    /** The source that this one was before; empty for this one itself. */
    public Optional<SourceIdentity> former(SourceIdentity now) {
      return Optional.ofNullable(accepts)
          .filter(cluster -> !cluster.equals(now.systemId()))
          .map(now::onCluster);
    }
  }

  /**
   * Why a reconciliation is begun.
   *
   * @param request null when nobody had to ask
   */
  public record Cause(String text, @Nullable Request request) {}

  /**
   * What was found before anything was published.
   *
   * @param endedXid bound below which rows are known to be published; 0 if there is none
   * @param searchedFrom topics were read from here on; null for their beginning
   * @param firstSequence sequence before the first event to be published
   * @param possibleRepeats why an event may be published again; null when none can be
   * @param notes what else to know about events that are not published; null when nothing
   */
  public record Prepared(
      long endedXid,
      Backlog.Filled filled,
      @Nullable Instant searchedFrom,
      long recordsSearched,
      long found,
      long firstSequence,
      long phantoms,
      @Nullable String possibleRepeats,
      @Nullable String notes) {}

  /** One row of the report; times are null as long as they have not come. */
  public record Report(
      long number,
      String state,
      String cause,
      @Nullable String requestedBy,
      @Nullable Instant requestedAt,
      Instant startedAt,
      @Nullable Instant finishedAt,
      long rowsInTable,
      long candidates,
      long alreadyParked,
      long foundInTopics,
      long published,
      long phantoms,
      @Nullable String possibleRepeats,
      @Nullable String notes) {

    /** Whether it was begun and neither finished nor given up. */
    public boolean isUnfinished() {
      return state.equals("preparing") || state.equals("publishing");
    }
  }

  /** An event consumers have and the table has not. */
  public record Phantom(
      String eventId,
      String topic,
      int partition,
      long offset,
      @Nullable String sequence,
      Instant publishedAt) {}

  private final String sources;
  private final String table;
  private final String phantoms;

  public Reconciliations(SourceConfiguration source) {
    this.sources = Identifiers.qualified(source.schema(), "outbox_agent_source");
    this.table = Identifiers.qualified(source.schema(), "outbox_reconciliation");
    this.phantoms = Identifiers.qualified(source.schema(), "outbox_phantom");
  }

  /** What an operator has asked for and nobody has done yet. */
  public Optional<Request> request(Connection connection, String sourceId) throws SQLException {
    String sql =
        """
        SELECT reconcile_requested_at AS at, coalesce(reconcile_requested_by, '') AS by,
          reconcile_accepts AS accepts
        FROM %s WHERE source = ? AND reconcile_requested_at IS NOT NULL
        """
            .formatted(sources);
    return CatalogQuery.first(connection, sql, Sql.as(Request.class), sourceId);
  }

  /**
   * Asks for a reconciliation; the source may be one that no agent has led yet.
   *
   * @param accepts as in {@link Request}
   */
  public Request ask(Connection connection, String sourceId, String by, @Nullable String accepts)
      throws SQLException {
    String sql =
        """
        INSERT INTO %s (source, reconcile_requested_at, reconcile_requested_by, reconcile_accepts)
        VALUES (?, clock_timestamp(), ?, ?)
        ON CONFLICT (source) DO UPDATE SET
          reconcile_requested_at = excluded.reconcile_requested_at,
          reconcile_requested_by = excluded.reconcile_requested_by,
          reconcile_accepts = excluded.reconcile_accepts
        RETURNING reconcile_requested_at AS at, reconcile_requested_by AS by,
          reconcile_accepts AS accepts
        """
            .formatted(sources);
    return Sql.one(connection, sql, Sql.as(Request.class), sourceId, by, accepts);
  }

  /** Takes a request back that has been done; one made since stays. */
  public void clear(Connection connection, String sourceId, Request done) throws SQLException {
    String sql =
        """
        UPDATE %s SET reconcile_requested_at = NULL, reconcile_requested_by = NULL,
          reconcile_accepts = NULL
        WHERE source = ? AND reconcile_requested_at = ?
        """
            .formatted(sources);
    Sql.update(connection, sql, sourceId, Timestamp.from(done.at()));
  }

  /**
   * Begins a reconciliation, which ends every unfinished one, and says what those had to say that
   * had found nothing yet.
   *
   * @param connection one of the lead: an agent that was replaced has lost it
   * @param notes what is known already; stays in the report, also of one that is given up
   * @return its number, higher than any before, also where the source's row was lost
   */
  public long begin(Connection connection, String sourceId, Cause cause, @Nullable String notes)
      throws SQLException {
    String sql =
        """
        WITH next AS (
          UPDATE %1$s s SET reconciliation = 1 + greatest(s.reconciliation,
            (SELECT max(r.reconciliation) FROM %2$s r WHERE r.source = s.source))
          WHERE source = ?
          RETURNING s.reconciliation
        ), told AS (
          SELECT pg_catalog.string_agg(notes, '; ' ORDER BY reconciliation) AS notes
          FROM %2$s WHERE source = ? AND state = 'preparing'
        ), old AS (
          UPDATE %2$s SET state = 'superseded', finished_at = clock_timestamp()
          WHERE source = ? AND state IN ('preparing', 'publishing')
        )
        INSERT INTO %2$s (source, reconciliation, cause, requested_by, requested_at, notes)
        SELECT ?, reconciliation, ?, ?, ?,
          nullif(pg_catalog.concat_ws('; ', told.notes, ?::text), '')
        FROM next, told
        RETURNING reconciliation
        """
            .formatted(sources, table);
    @Nullable Request request = cause.request();
    return Sql.one(
        connection,
        sql,
        row -> row.getLong(1),
        sourceId,
        sourceId,
        sourceId,
        sourceId,
        cause.text(),
        request == null ? null : request.by(),
        request == null ? null : request.at(),
        notes);
  }

  /** Writes down what was found; publishing begins next. */
  public void prepared(Connection connection, String sourceId, long number, Prepared found)
      throws SQLException {
    String sql =
        """
        UPDATE %s SET state = 'publishing', published_from = clock_timestamp(), ended_xid = ?,
          rows_in_table = ?, candidates = ?, already_parked = ?, searched_from = ?,
          records_searched = ?, found_in_topics = ?, first_sequence = ?, phantoms = ?,
          possible_repeats = ?, notes = nullif(pg_catalog.concat_ws('; ', notes, ?::text), '')
        WHERE source = ? AND reconciliation = ?
        """
            .formatted(table);
    Sql.update(
        connection,
        sql,
        found.endedXid(),
        found.filled().rowsInTable(),
        found.filled().candidates(),
        found.filled().parked(),
        found.searchedFrom(),
        found.recordsSearched(),
        found.found(),
        found.firstSequence(),
        found.phantoms(),
        found.possibleRepeats(),
        found.notes(),
        sourceId,
        number);
  }

  /**
   * Notes that everything a reconciliation found missing is published; does nothing the second
   * time.
   *
   * @param lastSequence of the last event published
   * @return the finished report; empty if it was finished before
   */
  public Optional<Report> finish(
      Connection connection, String sourceId, long number, long lastSequence) throws SQLException {
    String sql =
        """
        UPDATE %s SET state = 'done', finished_at = clock_timestamp(),
          published = ? - first_sequence
        WHERE source = ? AND reconciliation = ? AND state IN ('preparing', 'publishing')
        """
            .formatted(table);
    if (Sql.update(connection, sql, lastSequence, sourceId, number) == 0) {
      return Optional.empty();
    }
    return list(connection, sourceId).stream().filter(r -> r.number() == number).findFirst();
  }

  /** Notes that nobody goes on with what is unfinished: the source begins anew. */
  public void giveUp(Connection connection, String sourceId) throws SQLException {
    String sql =
        """
        UPDATE %s SET state = 'superseded', finished_at = clock_timestamp()
        WHERE source = ? AND state IN ('preparing', 'publishing')
        """
            .formatted(table);
    Sql.update(connection, sql, sourceId);
  }

  /** The latest reconciliation of a source, whatever became of it. */
  public Optional<Report> last(Connection connection, String sourceId) throws SQLException {
    return list(connection, sourceId).stream().findFirst();
  }

  /** The newest first, a hundred at most. */
  public List<Report> list(Connection connection, String sourceId) throws SQLException {
    String sql =
        """
        SELECT reconciliation AS number, state, cause, requested_by, requested_at, started_at, finished_at,
          rows_in_table, candidates, already_parked, found_in_topics, published, phantoms,
          possible_repeats, notes
        FROM %s WHERE source = ? ORDER BY reconciliation DESC LIMIT 100
        """
            .formatted(table);
    return CatalogQuery.list(connection, sql, Sql.as(Report.class), sourceId);
  }

  /** Writes events down that no row of the table stands behind. */
  public void addPhantoms(Connection connection, String sourceId, long number, List<Phantom> found)
      throws SQLException {
    String sql =
        """
        INSERT INTO %s
          (source, reconciliation, topic, partition, broker_offset, event_id, sequence, published_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
        """
            .formatted(phantoms);
    List<@Nullable Object[]> rows = new ArrayList<>();
    for (Phantom phantom : found) {
      rows.add(
          new @Nullable Object[] {
            sourceId,
            number,
            phantom.topic(),
            phantom.partition(),
            phantom.offset(),
            phantom.eventId(),
            phantom.sequence(),
            phantom.publishedAt()
          });
    }
    Sql.batch(connection, sql, rows);
  }

  /** The phantoms of one reconciliation, in the order of the topics, up to a limit. */
  public List<Phantom> phantoms(Connection connection, String sourceId, long number, int limit)
      throws SQLException {
    String sql =
        """
        SELECT event_id, topic, partition, broker_offset AS offset, sequence, published_at FROM %s
        WHERE source = ? AND reconciliation = ? ORDER BY topic, partition, broker_offset LIMIT ?
        """
            .formatted(phantoms);
    return CatalogQuery.list(connection, sql, Sql.as(Phantom.class), sourceId, number, limit);
  }
}
