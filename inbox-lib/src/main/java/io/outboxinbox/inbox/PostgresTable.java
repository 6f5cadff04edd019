package io.outboxinbox.inbox;

import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** PostgreSQL 14 or later, tables of {@code schema/postgresql/10_inbox.sql}. */
final class PostgresTable implements InboxTable {
  /**
   * A session that commits without waiting for the disk may lose its last transactions with the
   * server. The broker's offset would be ahead of them, and their effects lost for good.
   */
  private static final String DURABLY =
      "(current_setting('synchronous_commit') <> 'off'"
          + " OR set_config('synchronous_commit', 'on', true) IS NOT NULL)";

  /** Who asks later how this transaction has ended needs its number. */
  private static final String TRANSACTION =
      "CAST(pg_catalog.pg_current_xact_id() AS pg_catalog.text)";

  private static final String RETURNING = " RETURNING " + TRANSACTION;

  /** Of a number ahead, which a failover has lost or another cluster gave, nothing is known. */
  private static final String STATUS =
      "SELECT CASE WHEN CAST(? AS pg_catalog.xid8) < pg_catalog.pg_current_xact_id()"
          + " THEN pg_catalog.pg_xact_status(CAST(? AS pg_catalog.xid8)) END";

  private static final String MARKED =
      " WHERE consumer = ? AND source = ? AND topic = ? AND message_partition = ?";
  private static final String MARKED_DURABLY = MARKED + " AND " + DURABLY;
  private static final String MARKED_BEFORE =
      MARKED_DURABLY + " AND epoch = ? AND sequence < ?" + RETURNING;

  // A transaction that has begun long ago may see what was then, and inbox_clean counts on nobody
  // using a floor older than ten minutes: docs/decisions/0009.
  private static final String FLOOR =
      "SELECT greatest(floor, 'epoch'),"
          + " current_setting('transaction_isolation') IN ('repeatable read', 'serializable')"
          + " AND clock_timestamp() - now() > interval '5 minutes' FROM ";

  private static final String CHECK_VIOLATION = "23514";

  private final SchemaName schema;
  private final String consumer;
  private final @Nullable Pgjdbc pgjdbc;
  private final String insert;
  private final String insertUnlessFormer;
  private final String insertAll;
  private final String find;
  private final String store;
  private final String floor;
  private final String advance;
  private final String begin;
  private final String lockMark;
  private final String move;
  private final EpochTable epochs;

  /**
   * Knows one consumer's tables.
   *
   * @param pgjdbc null where connections are of another driver
   */
  PostgresTable(SchemaName schema, String consumer, @Nullable Pgjdbc pgjdbc) {
    this.schema = schema;
    this.consumer = consumer;
    this.pgjdbc = pgjdbc;
    String message = schema.table("inbox_message");
    String watermark = schema.table("inbox_watermark");
    String into = "INSERT INTO " + message + " (consumer, message_key, request_hash) SELECT ?, ";
    String unlessFormer =
        " AND NOT EXISTS (SELECT FROM "
            + message
            + " AS old WHERE old.consumer = ? AND old.request_hash IS DISTINCT FROM ''";
    String once = " ON CONFLICT DO NOTHING" + RETURNING;
    this.insert = into + "?, '' WHERE " + DURABLY + once;
    this.insertUnlessFormer =
        into
            + "?, '' WHERE "
            + DURABLY
            + unlessFormer
            + " AND old.message_key = ? AND old.received_at >= ?)"
            + once;
    this.insertAll =
        into
            + "entry.key, '' FROM unnest(?, ?, ?) AS entry(key, former, since) WHERE "
            + DURABLY
            + unlessFormer
            + " AND old.message_key = entry.former AND old.received_at >= entry.since)"
            // Whatever plan is chosen for the former keys: batches that lock in different orders
            // deadlock.
            + " ORDER BY entry.key"
            + once
            + ", message_key";
    this.find =
        "SELECT message_key, request_hash, result FROM "
            + message
            + " WHERE consumer = ? AND message_key = ANY (?)";
    this.store =
        "UPDATE "
            + message
            + " SET request_hash = ?, result = ? WHERE consumer = ? AND message_key = ?";
    this.floor = FLOOR + schema.table("inbox_floor");
    this.advance = "UPDATE " + watermark + " SET sequence = ?, updated_at = now()" + MARKED_BEFORE;
    this.begin =
        "INSERT INTO "
            + watermark
            + " (consumer, source, topic, message_partition, epoch, sequence)"
            + " SELECT ?, ?, ?, ?, ?, ? WHERE "
            + DURABLY
            + once;
    this.lockMark = "SELECT epoch, sequence FROM " + watermark + MARKED + " FOR UPDATE";
    this.move =
        "UPDATE "
            + watermark
            + " SET epoch = ?, sequence = ?, updated_at = now()"
            + MARKED_DURABLY
            + RETURNING;
    this.epochs = new EpochTable(schema, consumer, "", " ON CONFLICT DO NOTHING");
  }

  @Override
  public boolean insert(Connection connection, Entry entry, Trace trace) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(insertOf(entry))) {
      bind(statement, entry);
      trace.ofIds = transactionOf(statement.executeQuery());
      return trace.ofIds != 0;
    }
  }

  /** Where a statement has written; 0 if it has found nothing to write. */
  private static long transactionOf(ResultSet written) throws SQLException {
    try (ResultSet row = written) {
      return row.next() ? row.getLong(1) : 0;
    }
  }

  private String insertOf(Entry entry) {
    return entry.former() == null ? insert : insertUnlessFormer;
  }

  private void bind(PreparedStatement statement, Entry entry) throws SQLException {
    statement.setString(1, consumer);
    statement.setObject(2, entry.key());
    Former former = entry.former();
    if (former != null) {
      statement.setString(3, consumer);
      statement.setObject(4, former.key());
      setTime(statement, 5, former.since());
    }
  }

  @Override
  public boolean isCommittingWithInsert(Connection connection) throws SQLException {
    return pgjdbc != null && !pgjdbc.isSettingSavepoints(connection);
  }

  /**
   * pgjdbc sends the three with one Sync, so the server skips what follows one that fails. But a
   * transaction that had failed before would be rolled back without an error: see {@link
   * CommitGuard}, which has to be asked before.
   */
  @Override
  public boolean commitAndInsert(Connection connection, Entry entry, Trace trace)
      throws SQLException {
    // BEGIN and not COMMIT AND CHAIN: pgjdbc too begins each transaction with what the session is
    // set to, whatever a handler has told its own.
    try (PreparedStatement statement =
        connection.prepareStatement("COMMIT; BEGIN; " + insertOf(entry))) {
      bind(statement, entry);
      boolean isAsExpected = !statement.execute() && statement.getUpdateCount() == 0;
      isAsExpected &= !statement.getMoreResults() && statement.getUpdateCount() == 0;
      isAsExpected &= statement.getMoreResults();
      if (!isAsExpected) {
        // To take it for a duplicate would lose a message.
        throw new SQLException("the driver did not tell the results of COMMIT, BEGIN and INSERT");
      }
      trace.ofIds = transactionOf(statement.getResultSet());
      return trace.ofIds != 0;
    }
  }

  @Override
  public Set<UUID> insertAll(Connection connection, List<Entry> entries, Trace trace)
      throws SQLException {
    UUID[] keys = new UUID[entries.size()];
    @Nullable UUID[] formers = new UUID[keys.length];
    @Nullable String[] since = new String[keys.length];
    for (int i = 0; i < keys.length; i++) {
      keys[i] = entries.get(i).key();
      Former former = entries.get(i).former();
      formers[i] = former == null ? null : former.key();
      since[i] = former == null ? null : former.since().toString();
    }
    try (PreparedStatement statement = connection.prepareStatement(insertAll)) {
      statement.setString(1, consumer);
      statement.setArray(2, connection.createArrayOf("uuid", keys));
      statement.setArray(3, connection.createArrayOf("uuid", formers));
      statement.setArray(4, connection.createArrayOf("timestamptz", since));
      statement.setString(5, consumer);
      Set<UUID> inserted = new HashSet<>();
      try (ResultSet row = statement.executeQuery()) {
        while (row.next()) {
          trace.ofIds = row.getLong(1);
          inserted.add(row.getObject(2, UUID.class));
        }
      }
      return inserted;
    }
  }

  @Override
  public long transaction(Connection connection) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement("SELECT " + TRANSACTION)) {
      return transactionOf(statement.executeQuery());
    }
  }

  @Override
  public boolean isCommitted(Connection connection, UUID key, long transaction)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(STATUS)) {
      statement.setString(1, String.valueOf(transaction));
      statement.setString(2, String.valueOf(transaction));
      try (ResultSet row = statement.executeQuery()) {
        row.next();
        String status = row.getString(1);
        if ("in progress".equals(status)) {
          throw new InboxException.Retryable(
              "transaction " + transaction + " of message " + key + " has not ended yet");
        }
        // Null if the server does not know it. To take it for rolled back could lose a message.
        return !"aborted".equals(status);
      }
    }
  }

  @Override
  public Map<UUID, Stored> find(Connection connection, Collection<UUID> keys) throws SQLException {
    Array array = connection.createArrayOf("uuid", keys.toArray());
    try (PreparedStatement statement = connection.prepareStatement(find)) {
      statement.setString(1, consumer);
      statement.setArray(2, array);
      Map<UUID, Stored> found = new HashMap<>();
      try (ResultSet row = statement.executeQuery()) {
        while (row.next()) {
          found.put(row.getObject(1, UUID.class), new Stored(row.getBytes(2), row.getBytes(3)));
        }
      }
      return found;
    } finally {
      array.free();
    }
  }

  @Override
  public boolean store(Connection connection, UUID key, Stored stored) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(store)) {
      statement.setBytes(1, stored.requestHash());
      statement.setBytes(2, stored.result());
      statement.setString(3, consumer);
      statement.setObject(4, key);
      return statement.executeUpdate() == 1;
    }
  }

  @Override
  public Instant floor(Connection connection) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(floor);
        ResultSet row = statement.executeQuery()) {
      if (!row.next()) {
        return Instant.EPOCH;
      }
      if (row.getBoolean(2)) {
        throw new InboxException.Retryable(
            "this transaction has begun more than 5 minutes ago at REPEATABLE READ or above, and"
                + " may see an old admission floor");
      }
      return row.getObject(1, OffsetDateTime.class).toInstant();
    }
  }

  @Override
  public boolean advance(Connection connection, MarkKey key, Mark to, Trace trace)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(advance)) {
      statement.setLong(1, to.sequence());
      bind(statement, 2, key);
      statement.setLong(6, to.epoch());
      statement.setLong(7, to.sequence());
      return writeMark(statement, trace);
    }
  }

  @Override
  public boolean begin(Connection connection, MarkKey key, Mark mark, Trace trace)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(begin)) {
      bind(statement, 1, key);
      bind(statement, 5, mark);
      return writeMark(statement, trace);
    }
  }

  /** Returns whether it was written; one that was not leaves the number that another has told. */
  private static boolean writeMark(PreparedStatement statement, Trace trace) throws SQLException {
    long transaction = transactionOf(statement.executeQuery());
    if (transaction != 0) {
      trace.ofMarks = transaction;
    }
    return transaction != 0;
  }

  @Override
  public @Nullable Mark lockMark(Connection connection, MarkKey key) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(lockMark)) {
      bind(statement, 1, key);
      return mark(statement);
    }
  }

  @Override
  public void move(Connection connection, MarkKey key, Mark to, Trace trace) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(move)) {
      bind(statement, 1, to);
      bind(statement, 3, key);
      writeMark(statement, trace);
    }
  }

  @Override
  public EpochTable epochs() {
    return epochs;
  }

  @Override
  public void setKey(PreparedStatement statement, int index, @Nullable UUID key)
      throws SQLException {
    if (key == null) {
      statement.setNull(index, Types.OTHER);
    } else {
      statement.setObject(index, key);
    }
  }

  @Override
  public @Nullable UUID getKey(ResultSet row, int column) throws SQLException {
    return row.getObject(column, UUID.class);
  }

  @Override
  public void setTime(PreparedStatement statement, int index, Instant time) throws SQLException {
    statement.setObject(index, OffsetDateTime.ofInstant(time, ZoneOffset.UTC));
  }

  @Override
  public Instant getTime(ResultSet row, int column) throws SQLException {
    return row.getObject(column, OffsetDateTime.class).toInstant();
  }

  @Override
  public void commitDurably(Connection connection) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement("SELECT " + DURABLY);
        ResultSet row = statement.executeQuery()) {
      row.next();
    }
  }

  @Override
  public boolean isBelowFloor(SQLException failure) {
    // The only check constraint that a key can break: see inbox_clean() in the schema.
    return CHECK_VIOLATION.equals(failure.getSQLState());
  }

  @Override
  public InboxCleaner cleaner() {
    return new PostgresCleaner(schema);
  }

  @Override
  public String schemaFile() {
    return "schema/postgresql/10_inbox.sql";
  }

  private void bind(PreparedStatement statement, int first, MarkKey key) throws SQLException {
    statement.setString(first, consumer);
    statement.setString(first + 1, key.source());
    statement.setString(first + 2, key.topic());
    statement.setInt(first + 3, key.partition());
  }

  private static void bind(PreparedStatement statement, int first, Mark mark) throws SQLException {
    statement.setLong(first, mark.epoch());
    statement.setLong(first + 1, mark.sequence());
  }

  private static @Nullable Mark mark(PreparedStatement statement) throws SQLException {
    try (ResultSet row = statement.executeQuery()) {
      return row.next() ? new Mark(row.getLong(1), row.getLong(2)) : null;
    }
  }
}
