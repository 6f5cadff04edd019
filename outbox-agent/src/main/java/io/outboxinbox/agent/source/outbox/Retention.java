package io.outboxinbox.agent.source.outbox;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.LockLimit;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.Sql;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Drops old partitions of table {@code outbox_event}, oldest first, as far as everything in them is
 * published or parked and settled. The first that has to stay ends the run: what is kept has no
 * holes. One caller at a time; the connection is in auto-commit mode.
 *
 * <p>A transaction may write an old id into a partition between our look and the drop. Its events
 * are lost to later repairs, not to consumers: they are in the log, which the slot has not passed.
 * A transaction that has written before our look is seen by its lock.
 */
public final class Retention {
  private static final String FUNCTION = "outbox_partitions_drop";

  /**
   * What a run did.
   *
   * @param oldestKept beginning of the oldest partition that is left; null if none has a day
   * @param why an old partition had to stay; empty if none had to
   */
  public record Result(int dropped, @Nullable Instant oldestKept, String why) {}

  /**
   * One partition.
   *
   * @param from null where it takes whatever is smaller than {@code until}
   * @param firstId bounds of the ids it may hold, possibly a little wider
   */
  private record Partition(
      String name,
      @Nullable OffsetDateTime from,
      OffsetDateTime until,
      String firstId,
      String lastId,
      boolean isOld) {}

  private final SourceConfiguration source;
  private final Duration keep;
  private final OutboxTable ours;
  private final String outbox;
  private final String parked;

  public Retention(SourceConfiguration source, Duration keep) {
    this.source = source;
    this.keep = keep;
    this.ours = source.outboxes().stream().filter(OutboxTable::isOurs).findFirst().orElseThrow();
    this.outbox = ours.qualified();
    this.parked = Identifiers.qualified(source.schema(), "outbox_parked");
  }

  /**
   * Drops what may go.
   *
   * @param endedXid of a durable checkpoint without backlog: rows of transactions before it are
   *     published or parked; above 0
   * @throws SQLException the database is away or refuses; what was dropped before stays dropped
   */
  public Result run(Connection connection, long endedXid) throws SQLException {
    int dropped = 0;
    for (Partition partition : partitions(connection)) {
      if (!partition.isOld()) {
        return new Result(dropped, start(partition), "");
      }
      String why = reasonToKeep(connection, partition, endedXid);
      if (why.isEmpty() && !drop(connection, partition)) {
        why = "a transaction that has written to or read from it is still open";
      }
      if (!why.isEmpty()) {
        return new Result(dropped, start(partition), partition.name() + ": " + why);
      }
      dropped++;
    }
    return new Result(dropped, null, "");
  }

  private static @Nullable Instant start(Partition partition) {
    return partition.from() == null ? null : partition.from().toInstant();
  }

  /** Those with a time, oldest first; the default partition has none. */
  private List<Partition> partitions(Connection connection) throws SQLException {
    String floor = Identifiers.qualified(source.schema(), "outbox_uuid7_floor");
    String sql =
        """
        SELECT name, from_time, until_time,
               coalesce(%1$s(from_time)::text, '00000000-0000-0000-0000-000000000000'),
               -- Bounds not made by us may lie inside a millisecond.
               %1$s(until_time + interval '1 millisecond')::text,
               until_time <= now() - make_interval(days => ?::int)
        FROM %2$s() WHERE until_time IS NOT NULL ORDER BY until_time
        """
            .formatted(floor, Identifiers.qualified(source.schema(), "outbox_partitions"));
    return Sql.list(
        connection,
        sql,
        row ->
            new Partition(
                row.getString(1),
                row.getObject(2, OffsetDateTime.class),
                row.getObject(3, OffsetDateTime.class),
                row.getString(4),
                row.getString(5),
                row.getBoolean(6)),
        keep.toDays());
  }

  /** The cheap looks come first; the last reads the partition. */
  private String reasonToKeep(Connection connection, Partition partition, long endedXid)
      throws SQLException {
    Optional<String> waiting = parkedIn(connection, partition);
    if (waiting.isPresent()) {
      return "parked event " + waiting.get() + " is from there; release or discard it";
    }
    // Before the rows are read: whoever holds a lock now may commit rows that we would not see.
    if (isBeingWritten(connection, partition)) {
      return "a transaction that has written to it is still open";
    }
    return hasUnpublished(connection, partition, endedXid)
        ? "it has rows of transactions that the position has not certainly passed"
        : "";
  }

  private Optional<String> parkedIn(Connection connection, Partition partition)
      throws SQLException {
    String sql =
        """
        SELECT ordinal FROM %s
        WHERE state = 'waiting' AND NOT %s
          AND CASE WHEN %s
                   THEN event_id::uuid >= ?::uuid AND event_id::uuid < ?::uuid
                   ELSE coalesce(occurred_at, committed_at) < ?
                        AND coalesce(occurred_at, committed_at) >= coalesce(?::timestamptz, '-infinity') END
        ORDER BY ordinal LIMIT 1
        """
            .formatted(parked, ours.isOther("source_table"), UuidText.isUuid("event_id"));
    return Sql.first(
        connection,
        sql,
        row -> row.getString(1),
        partition.firstId(),
        partition.lastId(),
        partition.until(),
        partition.from());
  }

  private boolean isBeingWritten(Connection connection, Partition partition) throws SQLException {
    String sql =
        """
        SELECT EXISTS (
          SELECT FROM pg_locks
          WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND relation = ?::regclass
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
        """;
    return Sql.one(
        connection,
        sql,
        row -> row.getBoolean(1),
        Identifiers.qualified(source.schema(), partition.name()));
  }

  /** Through the root, because the agent may not read partitions. */
  private boolean hasUnpublished(Connection connection, Partition partition, long endedXid)
      throws SQLException {
    String sql =
        """
        SELECT EXISTS (
          SELECT FROM %s WHERE id >= ?::uuid AND id < ?::uuid
            AND NOT %s)
        """
            .formatted(outbox, PassedRows.isPassed(endedXid));
    return Sql.one(
        connection, sql, row -> row.getBoolean(1), partition.firstId(), partition.lastId());
  }

  /** Alone in its transaction, since a drop keeps every writer out until the commit. */
  private boolean drop(Connection connection, Partition partition) throws SQLException {
    String sql = "SELECT " + Identifiers.qualified(source.schema(), FUNCTION) + "(?)";
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setObject(1, partition.until());
      try (ResultSet row = statement.executeQuery()) {
        row.next();
        return row.getInt(1) > 0;
      }
    } catch (SQLException e) {
      // The function waits two seconds for each lock; that on the root it asks for first.
      if (LockLimit.isOver(e)) {
        return false;
      }
      throw e;
    }
  }

  /**
   * Whether partitions can be dropped here at all; empty when there is no connection, which the
   * look at the source tells.
   */
  public static List<Finding> check(SourceConfiguration source) {
    try (Connection connection = new SourceConnections(source).open("retention", 5);
        Statement timeout = connection.createStatement()) {
      timeout.execute("SET statement_timeout = '5s'");
      return List.of(check(connection, source));
    } catch (SQLException e) {
      return List.of();
    }
  }

  private static Finding check(Connection connection, SourceConfiguration source)
      throws SQLException {
    String sql =
        """
        SELECT (SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(?)) AS is_partitioned,
               function IS NOT NULL AS has_function,
               has_function_privilege(function, 'EXECUTE') AS may_drop
        FROM to_regprocedure(?) AS function
        """;
    String table = Identifiers.qualified(source.schema(), OutboxTable.OURS);
    String function =
        Identifiers.qualified(source.schema(), FUNCTION) + "(timestamp with time zone)";
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setString(1, table);
      statement.setString(2, function);
      try (ResultSet row = statement.executeQuery()) {
        row.next();
        if (!row.getBoolean("is_partitioned")) {
          return Finding.misconfigured(
              "retention.keep is set, but table %s has no partitions to drop".formatted(table),
              "set retention.keep: off, or make the table as schema/postgresql/01_outbox.sql does");
        }
        if (!row.getBoolean("has_function")) {
          return Finding.misconfigured(
              "retention.keep is set, but function %s does not exist".formatted(function),
              "apply schema/postgresql/02_partitions.sql");
        }
        if (!row.getBoolean("may_drop")) {
          return Finding.misconfigured(
              "role %s may not call %s".formatted(source.username(), function),
              "GRANT EXECUTE ON FUNCTION %s TO %s"
                  .formatted(function, Identifiers.quoted(source.username())));
        }
        return Finding.ok("partitions older than retention.keep can be dropped");
      }
    }
  }
}
