package io.outboxinbox.inbox;

import java.nio.ByteBuffer;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/**
 * MySQL 8 and MariaDB 10.6, or later, tables of {@code schema/mysql/10_inbox.sql}.
 *
 * <p>At REPEATABLE READ, the default, plain SELECTs show the past, so every SELECT here locks what
 * it reads: those show the present. Counts of changed rows are trusted only where drivers that
 * count found rows (useAffectedRows=false) agree with those that count changed ones.
 */
final class MySqlTable implements InboxTable {
  static final int LOCK_WAIT_TIMEOUT = 1205;
  private static final int DUPLICATE_ENTRY = 1062;

  /** Both databases and all their versions know this older form of FOR SHARE. */
  private static final String SHARED = " LOCK IN SHARE MODE";

  /** A statement of some 60 kB; a server takes 16 MB and 65,535 parameters. */
  private static final int KEYS_MAX = 1_000;

  /** What {@link #isBelowFloor} knows again; the database itself has no such error. */
  private static final class BelowFloor extends SQLException {
    private static final long serialVersionUID = 1L;

    BelowFloor() {
      super("the message is older than the inbox's floor");
    }
  }

  private final SchemaName schema;
  private final String consumer;
  private final String message;
  private final String insert;
  private final String isKnown;
  private final String store;
  private final String floor;
  private final String floorKey;
  private final String advance;
  private final String begin;
  private final String lockMark;
  private final String move;
  private final EpochTable epochs;

  MySqlTable(SchemaName schema, String consumer) {
    this.schema = schema;
    this.consumer = consumer;
    this.message = schema.table("inbox_message");
    String floors = schema.table("inbox_floor");
    String watermark = schema.table("inbox_watermark");
    // The lock on the floor keeps it where it is until this transaction ends: see MySqlCleaner.
    this.insert =
        "INSERT IGNORE INTO "
            + message
            + " (message_key, consumer, claim, request_hash) SELECT ?, ?, ?, '' FROM "
            + floors
            + " WHERE floor_key <= ?"
            + SHARED;
    this.isKnown =
        "SELECT claim FROM " + message + " WHERE message_key = ? AND consumer = ?" + SHARED;
    this.store =
        "UPDATE "
            + message
            + " SET request_hash = ?, result = ? WHERE message_key = ? AND consumer = ?";
    this.floor = "SELECT floor FROM " + floors + SHARED;
    this.floorKey = "SELECT floor_key FROM " + floors + SHARED;
    String mark = " WHERE consumer = ? AND source = ? AND topic = ? AND message_partition = ?";
    this.advance =
        "UPDATE "
            + watermark
            + " SET sequence = ?, updated_at = UTC_TIMESTAMP(6)"
            + mark
            + " AND epoch = ? AND sequence < ?";
    // Not IGNORE, which would also cut a source that is too long.
    this.begin =
        "INSERT INTO "
            + watermark
            + " (consumer, source, topic, message_partition, epoch, sequence) VALUES (?, ?, ?, ?, ?, ?)";
    this.lockMark = "SELECT epoch, sequence FROM " + watermark + mark + " FOR UPDATE";
    this.move =
        "UPDATE "
            + watermark
            + " SET epoch = ?, sequence = ?, updated_at = UTC_TIMESTAMP(6)"
            + mark;
    this.epochs =
        new EpochTable(schema, consumer, SHARED, " ON DUPLICATE KEY UPDATE epoch = epoch");
  }

  @Override
  public boolean insert(Connection connection, Entry entry, Trace trace) throws SQLException {
    UUID key = entry.key();
    trace.ofIds = newClaim();
    try (PreparedStatement statement = connection.prepareStatement(insert)) {
      statement.setBytes(1, bytes(key));
      statement.setString(2, consumer);
      statement.setLong(3, trace.ofIds);
      statement.setBytes(4, bytes(key));
      if (statement.executeUpdate() == 1) {
        return knownBefore(connection, List.of(entry)).isEmpty();
      }
    }
    if (!isKnown(connection, key)) {
      throw new BelowFloor();
    }
    return false;
  }

  /** Tells the rows of one call from all others; there is no RETURNING in MySQL. */
  private static long newClaim() {
    return ThreadLocalRandom.current().nextLong(1, Long.MAX_VALUE);
  }

  /** Other than a number of the transaction, this is lost together with its row. */
  @Override
  public boolean isCommitted(Connection connection, UUID key, long transaction)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(isKnown)) {
      statement.setBytes(1, bytes(key));
      statement.setString(2, consumer);
      try (ResultSet row = statement.executeQuery()) {
        return row.next() && row.getLong(1) == transaction;
      }
    }
  }

  private boolean isKnown(Connection connection, UUID key) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(isKnown)) {
      statement.setBytes(1, bytes(key));
      statement.setString(2, consumer);
      try (ResultSet row = statement.executeQuery()) {
        return row.next();
      }
    }
  }

  @Override
  public Set<UUID> insertAll(Connection connection, List<Entry> entries, Trace trace)
      throws SQLException {
    trace.ofIds = newClaim();
    List<UUID> keys = entries.stream().map(Entry::key).toList();
    if (KEY_ORDER.compare(keys.get(0), lockFloorKey(connection)) < 0) {
      throw new BelowFloor();
    }
    Set<UUID> inserted = new HashSet<>();
    for (int from = 0; from < keys.size(); from += KEYS_MAX) {
      inserted.addAll(
          insertSome(
              connection, keys.subList(from, Math.min(keys.size(), from + KEYS_MAX)), trace.ofIds));
    }
    inserted.removeAll(
        knownBefore(
            connection, entries.stream().filter(entry -> inserted.contains(entry.key())).toList()));
    return inserted;
  }

  /**
   * Which of these new rows an earlier version has kept under the former key; they are taken back.
   * Several may have had the same. Asked afterwards and without locks, because locks on the gaps
   * around keys that are not there would meet those of others.
   */
  private Set<UUID> knownBefore(Connection connection, List<Entry> entries) throws SQLException {
    Map<UUID, List<Entry>> byFormer = new HashMap<>();
    for (Entry entry : entries) {
      Former former = entry.former();
      if (former != null) {
        byFormer.computeIfAbsent(former.key(), key -> new ArrayList<>()).add(entry);
      }
    }
    Set<UUID> known = new HashSet<>();
    List<UUID> formers = List.copyOf(byFormer.keySet());
    for (int from = 0; from < formers.size(); from += KEYS_MAX) {
      List<UUID> some = formers.subList(from, Math.min(formers.size(), from + KEYS_MAX));
      try (PreparedStatement statement =
          connection.prepareStatement(
              "SELECT message_key, received_at FROM "
                  + message
                  + whereKeys(some.size())
                  + " AND (request_hash IS NULL OR request_hash <> '')")) {
        bindKeys(statement, some);
        try (ResultSet row = statement.executeQuery()) {
          while (row.next()) {
            Instant cameAt = time(row, 2);
            for (Entry entry : byFormer.getOrDefault(uuid(row.getBytes(1)), List.of())) {
              if (!cameAt.isBefore(Objects.requireNonNull(entry.former()).since())) {
                known.add(entry.key());
              }
            }
          }
        }
      }
    }
    delete(connection, List.copyOf(known));
    return known;
  }

  private void delete(Connection connection, List<UUID> keys) throws SQLException {
    for (int from = 0; from < keys.size(); from += KEYS_MAX) {
      List<UUID> some = keys.subList(from, Math.min(keys.size(), from + KEYS_MAX));
      try (PreparedStatement statement =
          connection.prepareStatement("DELETE FROM " + message + whereKeys(some.size()))) {
        bindKeys(statement, some);
        statement.executeUpdate();
      }
    }
  }

  private UUID lockFloorKey(Connection connection) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(floorKey);
        ResultSet row = statement.executeQuery()) {
      if (!row.next()) {
        throw noFloor();
      }
      return uuid(row.getBytes(1));
    }
  }

  private Collection<UUID> insertSome(Connection connection, List<UUID> keys, long claim)
      throws SQLException {
    String sql =
        "INSERT IGNORE INTO "
            + message
            + " (message_key, consumer, claim, request_hash) VALUES "
            + String.join(", ", Collections.nCopies(keys.size(), "(?, ?, ?, '')"));
    int added;
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      int next = 1;
      for (UUID key : keys) {
        statement.setBytes(next++, bytes(key));
        statement.setString(next++, consumer);
        statement.setLong(next++, claim);
      }
      added = statement.executeUpdate();
    }
    if (added == 0 || added == keys.size()) {
      return added == 0 ? List.of() : keys;
    }
    return claimed(connection, keys, claim);
  }

  private List<UUID> claimed(Connection connection, List<UUID> keys, long claim)
      throws SQLException {
    // A transaction sees its own rows in any snapshot.
    try (PreparedStatement statement =
        connection.prepareStatement(
            "SELECT message_key FROM " + message + whereKeys(keys.size()) + " AND claim = ?")) {
      bindKeys(statement, keys);
      statement.setLong(keys.size() + 2, claim);
      List<UUID> claimed = new ArrayList<>();
      try (ResultSet row = statement.executeQuery()) {
        while (row.next()) {
          claimed.add(uuid(row.getBytes(1)));
        }
      }
      return claimed;
    }
  }

  private static String whereKeys(int number) {
    return " WHERE message_key IN ("
        + String.join(", ", Collections.nCopies(number, "?"))
        + ") AND consumer = ?";
  }

  private void bindKeys(PreparedStatement statement, List<UUID> keys) throws SQLException {
    for (int i = 0; i < keys.size(); i++) {
      statement.setBytes(i + 1, bytes(keys.get(i)));
    }
    statement.setString(keys.size() + 1, consumer);
  }

  @Override
  public Map<UUID, Stored> find(Connection connection, Collection<UUID> keys) throws SQLException {
    List<UUID> sorted = new ArrayList<>(keys);
    sorted.sort(KEY_ORDER);
    Map<UUID, Stored> found = new HashMap<>();
    for (int from = 0; from < sorted.size(); from += KEYS_MAX) {
      List<UUID> some = sorted.subList(from, Math.min(sorted.size(), from + KEYS_MAX));
      try (PreparedStatement statement =
          connection.prepareStatement(
              "SELECT message_key, request_hash, result FROM "
                  + message
                  + whereKeys(some.size())
                  + SHARED)) {
        bindKeys(statement, some);
        try (ResultSet row = statement.executeQuery()) {
          while (row.next()) {
            found.put(uuid(row.getBytes(1)), new Stored(row.getBytes(2), row.getBytes(3)));
          }
        }
      }
    }
    return found;
  }

  @Override
  public boolean store(Connection connection, UUID key, Stored stored) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(store)) {
      statement.setBytes(1, stored.requestHash());
      statement.setBytes(2, stored.result());
      statement.setBytes(3, bytes(key));
      statement.setString(4, consumer);
      // No row has changed either where the same is stored again.
      return statement.executeUpdate() == 1 || isKnown(connection, key);
    }
  }

  @Override
  public Instant floor(Connection connection) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(floor);
        ResultSet row = statement.executeQuery()) {
      if (!row.next()) {
        throw noFloor();
      }
      return time(row, 1);
    }
  }

  /** Without it nothing would be admitted, and nobody would know why. */
  static InboxException noFloor() {
    return new InboxException.Misconfigured(
        "table inbox_floor is empty", "run schema/mysql/10_inbox.sql in this database again");
  }

  @Override
  public boolean advance(Connection connection, MarkKey key, Mark to, Trace trace)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(advance)) {
      statement.setLong(1, to.sequence());
      bind(statement, 2, key);
      statement.setLong(6, to.epoch());
      statement.setLong(7, to.sequence());
      return statement.executeUpdate() == 1;
    }
  }

  /** A statement that fails leaves the transaction as it was, other than in PostgreSQL. */
  @Override
  public boolean begin(Connection connection, MarkKey key, Mark mark, Trace trace)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(begin)) {
      bind(statement, 1, key);
      bind(statement, 5, mark);
      return statement.executeUpdate() == 1;
    } catch (SQLException e) {
      if (e.getErrorCode() == DUPLICATE_ENTRY) {
        return false;
      }
      throw e;
    }
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
      statement.executeUpdate();
    }
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

  @Override
  public EpochTable epochs() {
    return epochs;
  }

  @Override
  public void setKey(PreparedStatement statement, int index, @Nullable UUID key)
      throws SQLException {
    if (key == null) {
      statement.setNull(index, Types.BINARY);
    } else {
      statement.setBytes(index, bytes(key));
    }
  }

  @Override
  public @Nullable UUID getKey(ResultSet row, int column) throws SQLException {
    byte @Nullable [] bytes = row.getBytes(column);
    return bytes == null ? null : uuid(bytes);
  }

  @Override
  public void setTime(PreparedStatement statement, int index, Instant time) throws SQLException {
    statement.setObject(index, column(time));
  }

  @Override
  public Instant getTime(ResultSet row, int column) throws SQLException {
    return time(row, column);
  }

  @Override
  public void commitDurably(Connection connection) {
    // Only the whole server can be told: innodb_flush_log_at_trx_commit. InboxRetention.check looks
    // at it.
  }

  @Override
  public boolean isBelowFloor(SQLException failure) {
    return failure instanceof BelowFloor;
  }

  @Override
  public InboxCleaner cleaner() {
    return new MySqlCleaner(schema);
  }

  @Override
  public String schemaFile() {
    return "schema/mysql/10_inbox.sql";
  }

  static byte[] bytes(UUID key) {
    return ByteBuffer.allocate(16)
        .putLong(key.getMostSignificantBits())
        .putLong(key.getLeastSignificantBits())
        .array();
  }

  private static UUID uuid(byte[] bytes) {
    ByteBuffer buffer = ByteBuffer.wrap(bytes);
    return new UUID(buffer.getLong(), buffer.getLong());
  }

  /** As columns of type datetime keep it: UTC, and no driver changes its time zone. */
  static LocalDateTime column(Instant time) {
    return LocalDateTime.ofInstant(time, ZoneOffset.UTC);
  }

  static Instant time(ResultSet row, int column) throws SQLException {
    return row.getObject(column, LocalDateTime.class).toInstant(ZoneOffset.UTC);
  }
}
