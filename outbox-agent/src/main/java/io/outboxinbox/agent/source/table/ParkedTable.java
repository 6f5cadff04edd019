package io.outboxinbox.agent.source.table;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Lsn;
import io.outboxinbox.agent.event.RawRow;
import io.outboxinbox.agent.event.WayOut;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.InTransaction;
import io.outboxinbox.agent.source.LongText;
import io.outboxinbox.agent.source.Sql;
import io.outboxinbox.agent.source.outbox.RawRows;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Table {@code outbox_parked}, as far as events go into it and a new leader takes it over. What
 * comes out of it: {@link ParkedQueue}.
 *
 * <p>What is said to need the leader's connection must run on the session that holds the leadership
 * lock: an agent that was replaced without noticing has lost that one, and cannot undo what its
 * successor relies on.
 */
public final class ParkedTable {
  private static final int FETCH_ROWS = 1000;
  private static final int JOINED_AT_ONCE = 5_000;
  private static final String UNIQUE_VIOLATION = "23505";

  private final String table;
  private final String source;

  /**
   * Makes the table's view of one source.
   *
   * @param schema of the agent's tables
   * @param source whose rows count
   */
  public ParkedTable(String schema, String source) {
    this.table = qualified(schema);
    this.source = source;
  }

  static String qualified(String schema) {
    return Identifiers.qualified(schema, "outbox_parked");
  }

  /**
   * Events to write down together.
   *
   * @param events possibly none, in order
   * @param epoch of the position that will cover them
   * @param lastOrdinal the events get the numbers after it
   */
  public record Portion(List<ParkedEvent> events, long epoch, long lastOrdinal) {}

  /**
   * How topics are chosen, so that {@link #joinLanes} sees when that has changed.
   *
   * @param ofTables template by table; where there is one, it counts for every event
   */
  public record TopicTemplates(Map<String, String> ofTables) {
    public TopicTemplates {
      ofTables = new LinkedHashMap<>(ofTables);
    }

    private @Nullable String of(@Nullable String table) {
      return ofTables.size() == 1 ? ofTables.values().iterator().next() : ofTables.get(table);
    }

    /** The rule of a row; NULL where its table has none. */
    private String sql() {
      return ofTables.size() == 1
          ? "?"
          : "CASE source_table%s END".formatted(" WHEN ? THEN ?".repeat(ofTables.size()));
    }

    private List<String> values() {
      return ofTables.size() == 1
          ? List.copyOf(ofTables.values())
          : ofTables.entrySet().stream()
              .flatMap(rule -> Stream.of(rule.getKey(), rule.getValue()))
              .toList();
    }
  }

  /**
   * Writes events down. They count only once the position covers them, so rows of a batch that
   * never came so far do no harm.
   *
   * @throws AgentException.Retryable an agent that has been replaced wrote some of these numbers
   */
  public void insert(Connection connection, Portion portion, TopicTemplates rules)
      throws SQLException {
    String sql =
        """
        INSERT INTO %s
          (source, ordinal, event_id, aggregate_type, aggregate_id, event_type, payload,
           content_type, headers, topic, occurred_at, extra, key, reason, is_behind, epoch, xid, lsn,
           committed_at, destination, destination_rule, source_table)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?::jsonb, ?, ?, ?, ?, ?, ?::pg_lsn, ?, ?, ?, ?)
        """
            .formatted(table);
    List<@Nullable Object[]> rows = new ArrayList<>();
    for (ParkedEvent event : portion.events()) {
      rows.add(values(event, portion.epoch(), portion.lastOrdinal() + rows.size() + 1, rules));
    }
    try {
      InTransaction.run(
          connection,
          () -> {
            Sql.batch(connection, sql, rows);
            return rows.size();
          });
    } catch (SQLException e) {
      if (isUniqueViolation(e)) {
        throw new AgentException.Retryable(
            "parked events after number %d are there already: an agent that has been replaced was still writing"
                .formatted(portion.lastOrdinal()),
            e);
      }
      throw e;
    }
  }

  private @Nullable Object[] values(
      ParkedEvent event, long epoch, long ordinal, TopicTemplates rules) {
    RawRow row = event.row();
    return new @Nullable Object[] {
      source,
      ordinal,
      row.id(),
      row.aggregateType(),
      row.aggregateId(),
      row.eventType(),
      row.payload(),
      row.contentType(),
      row.headers(),
      row.topic(),
      row.occurredAt(),
      row.extra().isEmpty() ? "{}" : RawRows.object(row.extra()),
      event.key(),
      storable(event.reason()),
      event.isBehind(),
      epoch,
      event.position().xid(),
      Lsn.format(event.position().lsn()),
      event.committedAt(),
      event.destination(),
      event.destination() == null ? null : rules.of(row.table()),
      row.table()
    };
  }

  /** Reasons may quote rows and brokers; a text column takes neither NUL nor half a surrogate. */
  static String storable(String reason) {
    return new String(reason.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8)
        .replace('\0', '?');
  }

  private static boolean isUniqueViolation(SQLException e) {
    return Stream.iterate(e, Objects::nonNull, SQLException::getNextException)
        .anyMatch(each -> UNIQUE_VIOLATION.equals(each.getSQLState()));
  }

  /**
   * Deletes what was written down but never covered by a position: the log brings it again.
   *
   * <p>Rows of earlier epochs are among it. An epoch begins after the last number of the table, so
   * one that is higher was written by an agent that had been replaced before.
   *
   * @param leader a connection that ends with the lead: an agent replaced meanwhile would delete
   *     what its successor has covered
   * @throws AgentException.Fatal the position is older than the table
   */
  public void takeBack(Connection leader, long epoch, long lastOrdinal) throws SQLException {
    refuseLaterEpoch(leader, epoch, lastOrdinal);
    String sql = "DELETE FROM %s WHERE source = ? AND ordinal > ? AND epoch <= ?".formatted(table);
    Sql.update(leader, sql, source, lastOrdinal, epoch);
  }

  /**
   * Puts all waiting events of a key into one line, where it is not certain that those of one topic
   * are all in the line of that topic: an older version parked some, topics are chosen by another
   * rule now, or nobody can tell the topic of one of them.
   *
   * @param leader the leader's connection: it decides what may be published
   */
  public void joinLanes(Connection leader, TopicTemplates rules) throws SQLException {
    String sql =
        """
        UPDATE %1$s SET destination = NULL, destination_rule = NULL
        WHERE source = ? AND ordinal = ANY (ARRAY(
          SELECT ordinal FROM (
            SELECT ordinal, destination,
              bool_or(destination IS NULL OR destination_rule IS DISTINCT FROM %3$s)
                OVER (PARTITION BY key) AS is_mixed
            FROM %1$s WHERE source = ? AND state = 'waiting' AND key IS NOT NULL) p
          WHERE is_mixed AND destination IS NOT NULL LIMIT %2$d))
        """
            // A window and no join: of a table filled a moment ago the server knows nothing, and
            // would compare each row with each.
            .formatted(table, JOINED_AT_ONCE, rules.sql());
    List<Object> values = new ArrayList<>(List.of(source));
    values.addAll(rules.values());
    values.add(source);
    // In portions, each well within what the leader's connection waits for an answer. A key joined
    // in part is found again, by what has joined.
    long joined;
    do {
      joined = Sql.update(leader, sql, values.toArray());
    } while (joined > 0);
  }

  /**
   * Lets what waits in the line of one topic join the line for all, or it could overtake an event
   * that is held in all of them. Only once that event is covered by the position: a crash before
   * would leave behind lines of events that nobody holds.
   *
   * @return lanes of which nothing waits any more
   */
  public List<String> join(Connection connection, Set<String> keys) throws SQLException {
    String sql =
        """
        WITH joined AS MATERIALIZED (
          SELECT ordinal, %2$s AS lane FROM %1$s
          WHERE source = ? AND %3$s AND state = 'waiting' AND destination IS NOT NULL
          FOR UPDATE)
        UPDATE %1$s p SET destination = NULL, destination_rule = NULL
        FROM joined WHERE p.source = ? AND p.ordinal = joined.ordinal
        RETURNING joined.lane
        """
            .formatted(table, Lane.SQL, LongText.isOneOf("key"));
    String[] joined = keys.toArray(String[]::new);
    return Sql.list(connection, sql, row -> row.getString(1), source, joined, joined, source)
        .stream()
        .distinct()
        .toList();
  }

  private void refuseLaterEpoch(Connection leader, long epoch, long lastOrdinal)
      throws SQLException {
    String sql =
        "SELECT max(epoch) FROM %s WHERE source = ? AND ordinal > ? AND epoch > ?".formatted(table);
    @Nullable Long later =
        Sql.<@Nullable Long>one(
            leader, sql, row -> row.getObject(1, Long.class), source, lastOrdinal, epoch);
    if (later != null) {
      throw new AgentException.Fatal(
          "events were parked in epoch %d, but the position at the broker is of epoch %d: the position topic was set back"
              .formatted(later, epoch),
          "point publish at the right cluster; otherwise stop every agent of the source and run %s, which starts a new epoch and keeps parked events"
              .formatted(WayOut.RESET_COMMAND));
    }
  }

  /**
   * Whether a promotion or restore lost parked events that the position had passed. Their rows may
   * have outlived them in the outbox, where they would count as done.
   *
   * @param timeline of the server now
   */
  public static boolean areMissing(
      Connection connection, String schema, Checkpoint position, int timeline) throws SQLException {
    if (position.timeline() == timeline) {
      return false;
    }
    String sql =
        "SELECT ? > coalesce(max(ordinal), 0) FROM %s WHERE source = ?"
            .formatted(qualified(schema));
    return Sql.one(
        connection,
        sql,
        row -> row.getBoolean(1),
        position.parking().lastOrdinal(),
        position.source().id());
  }

  /** The highest numbers used so far, for the first position of a new epoch. */
  public Checkpoint.Parking extent(Connection connection) throws SQLException {
    String sql =
        "SELECT coalesce(max(ordinal), 0) AS last_ordinal, coalesce(max(release), 0) AS last_release FROM %s WHERE source = ?"
            .formatted(table);
    return Sql.one(connection, sql, Sql.as(Checkpoint.Parking.class), source);
  }

  /** Takes note of a {@link Lane} that has waiting events. */
  @FunctionalInterface
  public interface KeyVisitor {
    /**
     * Comes once for each lane.
     *
     * @param key the lane; null for all the events that do not tell theirs
     * @param isFirstBehind whether the first of them waits for nobody any more
     */
    void visit(@Nullable String key, boolean isFirstBehind);
  }

  /**
   * What waits.
   *
   * @param events how many
   * @param oldest the first parked of them; null when nothing waits
   */
  public record Waiting(long events, @Nullable Oldest oldest) {}

  /** The event that has waited longest. */
  public record Oldest(long ordinal, Instant parkedAt) {}

  /**
   * Walks through all lanes with waiting events, in portions.
   *
   * @param connection in auto-commit mode, and left in it
   */
  public Waiting scan(Connection connection, long lastOrdinal, KeyVisitor visitor)
      throws SQLException {
    String sql =
        """
        SELECT %2$s AS lane, f.first, f.events, p.is_behind, p.parked_at
        FROM (SELECT min(ordinal) AS first, count(*) AS events FROM %1$s
               WHERE source = ? AND state = 'waiting' AND ordinal <= ?
               GROUP BY key, destination) f
        JOIN %1$s p ON p.source = ? AND p.ordinal = f.first
        """
            .formatted(table, Lane.SQL);
    // Only inside a transaction does the driver fetch in portions instead of all at once.
    return InTransaction.run(
        connection,
        () -> {
          try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.setFetchSize(FETCH_ROWS);
            statement.setString(1, source);
            statement.setLong(2, lastOrdinal);
            statement.setString(3, source);
            try (ResultSet rows = statement.executeQuery()) {
              return waiting(rows, visitor);
            }
          }
        });
  }

  private static Waiting waiting(ResultSet rows, KeyVisitor visitor) throws SQLException {
    long events = 0;
    @Nullable Oldest oldest = null;
    while (rows.next()) {
      events += rows.getLong("events");
      long first = rows.getLong("first");
      if (oldest == null || first < oldest.ordinal()) {
        oldest = new Oldest(first, instant(rows, "parked_at"));
      }
      visitor.visit(rows.getString("lane"), rows.getBoolean("is_behind"));
    }
    return new Waiting(events, oldest);
  }

  /**
   * The event that has waited longest; null when none waits.
   *
   * @param from number nothing waits before, so that settled rows are not read over and over
   */
  public @Nullable Oldest oldest(Connection connection, long from, long lastOrdinal)
      throws SQLException {
    // Not by state: the server would take the index of what waits, by key, and read all of it.
    String sql =
        """
        SELECT ordinal, parked_at FROM %s
        WHERE source = ? AND ordinal BETWEEN ? AND ? AND settled_at IS NULL
        ORDER BY ordinal LIMIT 1
        """
            .formatted(table);
    return Sql.first(connection, sql, Sql.as(Oldest.class), source, from, lastOrdinal).orElse(null);
  }

  static Instant instant(ResultSet row, String column) throws SQLException {
    return row.getObject(column, OffsetDateTime.class).toInstant();
  }
}
