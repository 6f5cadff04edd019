package io.outboxinbox.agent.source.table;

import io.outboxinbox.agent.event.RawRow;
import io.outboxinbox.agent.source.Sql;
import java.sql.Array;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The way out of table {@code outbox_parked}: released, discarded, or refused again.
 *
 * <p>A released batch has a number. It is written on its rows first, then published together with a
 * checkpoint that holds the number, then the rows are settled. So a row that carries a number not
 * above the checkpoint's is published, and one that carries a higher number is not; see
 * docs/decisions/0010. Statements that change rows need the leader's connection, as in {@link
 * ParkedTable}. They pass over rows an operator's open transaction has locked, except where going
 * on without them would lose or repeat one.
 */
public class ParkedQueue {
  /** Whether an event may be published as soon as its turn comes. */
  private static final String MAY_GO =
      """
      coalesce(requested, CASE WHEN is_behind THEN 'release' END)
        IS NOT DISTINCT FROM 'release'
      """;

  /** What is read of row {@code p}. */
  private static final String TAKEN =
      """
      p.ordinal, p.release, %s AS lane, p.event_id, p.aggregate_type, p.aggregate_id, p.event_type,
      p.payload, p.content_type, p.headers, p.topic, p.occurred_at, p.source_table,
      (SELECT pg_catalog.array_agg(e.key) FROM jsonb_each_text(p.extra) e) AS extra_names,
      (SELECT pg_catalog.array_agg(e.value) FROM jsonb_each_text(p.extra) e) AS extra_values,
      p.published_sequence, p.committed_at, p.parked_at, %s AS may_go
      """
          .formatted(Lane.SQL, MAY_GO);

  private final String table;
  private final String source;
  private final Connection leader;
  private final Connection control;

  /**
   * The queue of one source, in the schema of the agent's tables.
   *
   * @param leader the session that holds the leadership lock
   * @param control only reads, in auto-commit mode
   */
  public ParkedQueue(String schema, String source, Connection leader, Connection control) {
    this.table = ParkedTable.qualified(schema);
    this.source = source;
    this.leader = leader;
    this.control = control;
  }

  /**
   * An event somebody wants published.
   *
   * @param key its {@link Lane}; null when its row does not tell its key
   * @param bytes of payload, headers, key and id
   */
  public record Requested(long ordinal, @Nullable String key, long bytes) {}

  /**
   * A waiting event of a {@link Lane}.
   *
   * @param key the lane
   * @param ordinal 0 when nothing of the key waits
   * @param mayGo whether it may be published once nothing before it waits
   */
  public record Candidate(String key, long ordinal, long bytes, boolean mayGo) {}

  /**
   * An event taken out to be published.
   *
   * @param key its {@link Lane}; null when its row does not tell its key
   * @param release number of its batch
   * @param mayGo whether it still may, which an earlier try may have changed
   */
  public record Taken(
      long ordinal,
      long release,
      @Nullable String key,
      RawRow row,
      long sequence,
      Instant committedAt,
      Instant parkedAt,
      boolean mayGo) {}

  /** An event that was refused when it was released. */
  public record Refusal(long ordinal, String reason) {}

  /**
   * What operators want published, in order of parking.
   *
   * @param after number of the last one seen
   */
  public List<Requested> requested(long after, long lastOrdinal, int limit) throws SQLException {
    String sql =
        """
        SELECT ordinal, %s AS key, %s AS bytes FROM %s
        WHERE source = ? AND state = 'waiting' AND requested = 'release' AND release IS NULL
          AND ordinal > ? AND ordinal <= ?
        ORDER BY ordinal LIMIT ?
        """
            .formatted(Lane.SQL, BYTES, table);
    return Sql.list(control, sql, Sql.as(Requested.class), source, after, lastOrdinal, limit);
  }

  // Stored uncompressed, so this reads no payload. Key and id may be as long.
  private static final String BYTES =
      "coalesce(octet_length(payload), 0) + coalesce(octet_length(headers), 0) + coalesce(octet_length(key), 0) + coalesce(octet_length(event_id), 0)";

  /**
   * The first waiting events of some lanes.
   *
   * @param perKey at most so many of each
   * @return key by key in the given order, each in order of parking; one with ordinal 0 for a key
   *     of which nothing waits
   */
  public List<Candidate> candidates(List<String> keys, int perKey, long lastOrdinal)
      throws SQLException {
    String sql =
        """
        SELECT k.lane AS key, coalesce(r.ordinal, 0) AS ordinal, coalesce(r.bytes, 0) AS bytes,
          coalesce(r.may_go, false) AS may_go
        FROM pg_catalog.unnest(?::text[]) WITH ORDINALITY k(lane, n)
        LEFT JOIN LATERAL (
          SELECT ordinal, %s AS bytes, %s AS may_go
          FROM %s
          WHERE source = ? AND %s
            AND state = 'waiting' AND release IS NULL AND ordinal <= ?
          ORDER BY ordinal LIMIT ?) r ON true
        ORDER BY k.n, r.ordinal
        """
            .formatted(BYTES, MAY_GO, table, Lane.SQL_IS_IN);
    return Sql.list(
        control,
        sql,
        Sql.as(Candidate.class),
        keys.toArray(String[]::new),
        source,
        lastOrdinal,
        perKey);
  }

  /**
   * Numbers a batch and reads it in one statement, so that no edit slips in between.
   *
   * @param release number of the batch
   * @param lastSequence the events get the numbers after it
   * @return those that still may go, in order of parking; fewer than asked for when an operator has
   *     changed his mind or holds a lock
   */
  public List<Taken> take(List<Long> ordinals, long release, long lastSequence)
      throws SQLException {
    String sql =
        """
        WITH page AS MATERIALIZED (
          SELECT ordinal FROM %1$s
          WHERE source = ? AND ordinal = ANY (?) AND state = 'waiting' AND release IS NULL
            AND %3$s
          FOR UPDATE SKIP LOCKED),
        numbered AS (SELECT ordinal, row_number() OVER (ORDER BY ordinal) AS n FROM page)
        UPDATE %1$s p SET release = ?, published_sequence = ? + numbered.n
        FROM numbered WHERE p.source = ? AND p.ordinal = numbered.ordinal
        RETURNING %2$s
        """
            .formatted(table, TAKEN, MAY_GO);
    return inOrder(
        Sql.list(
            leader,
            sql,
            ParkedQueue::taken,
            source,
            numbers(ordinals),
            release,
            lastSequence,
            source));
  }

  /**
   * Reads the first batch that was taken and is not known to be published, in order of parking.
   *
   * @param lastRelease number of the last one that is
   */
  public List<Taken> taken(long lastRelease) throws SQLException {
    String sql =
        """
        SELECT %2$s FROM %1$s p WHERE p.source = ? AND p.state = 'waiting' AND p.release = (
          SELECT min(release) FROM %1$s WHERE source = ? AND state = 'waiting' AND release > ?)
        """
            .formatted(table, TAKEN);
    return inOrder(Sql.list(leader, sql, ParkedQueue::taken, source, source, lastRelease));
  }

  /**
   * Parts a batch that is too large: the others of it, and all batches after it, come one later.
   * They keep the numbers of their events.
   *
   * @param first those that remain
   */
  public void postpone(long release, List<Long> first) throws SQLException {
    String sql =
        """
        UPDATE %s SET release = release + 1
        WHERE source = ? AND state = 'waiting' AND release >= ? AND NOT ordinal = ANY (?)
        """
            .formatted(table);
    Sql.update(leader, sql, source, release, numbers(first));
  }

  private static Long[] numbers(List<Long> ordinals) {
    return ordinals.toArray(Long[]::new);
  }

  private static List<Taken> inOrder(List<Taken> taken) {
    taken.sort(Comparator.comparingLong(Taken::ordinal));
    return taken;
  }

  private static Taken taken(ResultSet row) throws SQLException {
    @Nullable OffsetDateTime occurredAt = row.getObject("occurred_at", OffsetDateTime.class);
    return new Taken(
        row.getLong("ordinal"),
        row.getLong("release"),
        row.getString("lane"),
        new RawRow(
            row.getString("source_table"),
            row.getString("event_id"),
            row.getString("aggregate_type"),
            row.getString("aggregate_id"),
            row.getString("event_type"),
            row.getBytes("payload"),
            row.getString("content_type"),
            row.getString("headers"),
            row.getString("topic"),
            occurredAt == null || !isFinite(occurredAt) ? null : occurredAt.toInstant(),
            extra(row)),
        row.getLong("published_sequence"),
        ParkedTable.instant(row, "committed_at"),
        ParkedTable.instant(row, "parked_at"),
        row.getBoolean("may_go"));
  }

  /**
   * An operator may have written infinity, which the driver turns into the ends of its calendar.
   */
  private static boolean isFinite(OffsetDateTime time) {
    return !time.equals(OffsetDateTime.MAX) && !time.equals(OffsetDateTime.MIN);
  }

  private static Map<String, String> extra(ResultSet row) throws SQLException {
    @Nullable Array names = row.getArray("extra_names");
    @Nullable Array values = row.getArray("extra_values");
    if (names == null || values == null) {
      return Map.of();
    }
    String[] name = (String[]) names.getArray();
    @Nullable String[] value = (@Nullable String[]) values.getArray();
    Map<String, String> extra = new java.util.LinkedHashMap<>();
    for (int i = 0; i < name.length; i++) {
      String filled = value[i];
      if (filled != null) {
        extra.put(name[i], filled);
      }
    }
    return extra;
  }

  /**
   * Takes the number off every row whose batch was never published. Waits for locked rows: the
   * number is used again, and would then say that they were published.
   *
   * @param lastRelease number of the last batch that was published
   */
  public void putBack(long lastRelease) throws SQLException {
    String sql =
        """
        UPDATE %s SET release = NULL, published_sequence = NULL
        WHERE source = ? AND state = 'waiting' AND release > ?
        """
            .formatted(table);
    Sql.update(leader, sql, source, lastRelease);
  }

  /** The same for some rows of one, whatever becomes of the others. */
  public void takeOut(List<Long> ordinals) throws SQLException {
    String sql =
        """
        UPDATE %s SET release = NULL, published_sequence = NULL
        WHERE source = ? AND state = 'waiting' AND ordinal = ANY (?)
        """
            .formatted(table);
    Sql.update(leader, sql, source, numbers(ordinals));
  }

  /**
   * Makes events culprits of their own, until somebody asks for them again; who wanted one
   * discarded still does. To be called before the batch is put back.
   */
  public void refuse(List<Refusal> refusals) throws SQLException {
    String sql =
        """
        UPDATE %s
        SET is_behind = false, reason = ?, attempts = attempts + 1,
          requested = nullif(requested, 'release')
        WHERE source = ? AND ordinal = ? AND state = 'waiting'
        """
            .formatted(table);
    List<@Nullable Object[]> rows = new ArrayList<>();
    for (Refusal refusal : refusals) {
      String reason = ParkedTable.storable(refusal.reason());
      rows.add(new Object[] {reason, source, refusal.ordinal()});
    }
    Sql.batch(leader, sql, rows);
  }

  /**
   * Settles every event whose batch was published.
   *
   * @return their lanes, null for those without a key; locked rows come with a later call
   */
  public List<@Nullable String> settle(long lastRelease) throws SQLException {
    String sql =
        """
        WITH published AS MATERIALIZED (
          SELECT ordinal FROM %1$s WHERE source = ? AND state = 'waiting' AND release <= ?
          FOR UPDATE SKIP LOCKED)
        UPDATE %1$s p SET state = 'released', settled_at = clock_timestamp()
        FROM published WHERE p.source = ? AND p.ordinal = published.ordinal
        RETURNING %2$s
        """
            .formatted(table, Lane.SQL);
    return Sql.list(leader, sql, row -> row.getString(1), source, lastRelease, source);
  }

  /**
   * Settles events nobody wants published any more.
   *
   * @return their lanes, null for those without a key; at most {@code limit}
   */
  public List<@Nullable String> discard(long lastOrdinal, int limit) throws SQLException {
    String sql =
        """
        WITH unwanted AS MATERIALIZED (
          SELECT ordinal FROM %1$s
          WHERE source = ? AND state = 'waiting' AND requested = 'discard' AND release IS NULL
            AND ordinal <= ?
          ORDER BY ordinal LIMIT ? FOR UPDATE SKIP LOCKED)
        UPDATE %1$s p SET state = 'discarded', settled_at = clock_timestamp()
        FROM unwanted WHERE p.source = ? AND p.ordinal = unwanted.ordinal
        RETURNING %2$s
        """
            .formatted(table, Lane.SQL);
    return Sql.list(leader, sql, row -> row.getString(1), source, lastOrdinal, limit, source);
  }
}
