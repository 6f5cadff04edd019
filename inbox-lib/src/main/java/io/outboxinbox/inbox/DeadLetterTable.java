package io.outboxinbox.inbox;

import io.outboxinbox.inbox.DeadLetter.State;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** All SQL of dead letters, the same for every database, in the caller's transaction. */
final class DeadLetterTable {
  private static final String COLUMNS =
      "dead_letter_id, state, topic, message_partition, message_offset, sent_at, record_key,"
          + " message_id, is_admitted, reason, detail, attempts, created_at, changed_at,"
          + " message_key";

  /** The front of a key, or one of a list: enough to know whose turn it is. */
  record Position(long id, State state, String topic, @Nullable UUID keyHash) {}

  private final Dialect dialect;
  private final String consumer;
  private final InstantSource clock;

  DeadLetterTable(Dialect dialect, String consumer, InstantSource clock) {
    this.dialect = dialect;
    this.consumer = consumer;
    this.clock = clock;
  }

  private String table() {
    return dialect.schema().table("inbox_dead_letter");
  }

  private String headerTable() {
    return dialect.schema().table("inbox_dead_letter_header");
  }

  /**
   * Adds a row.
   *
   * @param failure null for one that waits
   */
  long insert(
      Connection connection,
      Envelope envelope,
      @Nullable MessageId id,
      boolean isAdmitted,
      @Nullable Failure failure)
      throws SQLException {
    InboxTable types = dialect.table(connection);
    // Of a message the inbox does not know, nothing else keeps it from being lost with the server.
    types.commitDurably(connection);
    String sql =
        "INSERT INTO "
            + table()
            + " (consumer, state, topic, message_partition, message_offset, message_id,"
            + " message_key, is_admitted, record_key, record_key_hash, payload, sent_at, reason,"
            + " detail, attempts, created_at, changed_at)"
            + " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    byte @Nullable [] key = envelope.key();
    Instant now = now();
    try (PreparedStatement insert =
        connection.prepareStatement(sql, new String[] {"dead_letter_id"})) {
      insert.setString(1, consumer);
      insert.setString(2, (failure == null ? State.WAITING : State.FAILED).column());
      insert.setString(3, envelope.topic());
      insert.setInt(4, envelope.partition());
      insert.setLong(5, envelope.offset());
      insert.setString(6, id == null ? null : StoredText.escaped(id.text()));
      types.setKey(insert, 7, id == null ? null : id.key());
      insert.setBoolean(8, isAdmitted);
      insert.setBytes(9, key);
      types.setKey(insert, 10, key == null ? null : DeadLetters.hashOf(key));
      insert.setBytes(11, envelope.value());
      types.setTime(insert, 12, kept(envelope.sentAt()));
      insert.setString(13, failure == null ? "" : failure.reason());
      insert.setString(14, failure == null ? "" : failure.detail());
      insert.setInt(15, failure == null ? 0 : failure.attempts());
      types.setTime(insert, 16, now);
      types.setTime(insert, 17, now);
      insert.executeUpdate();
      try (ResultSet generated = insert.getGeneratedKeys()) {
        if (!generated.next()) {
          throw new IllegalStateException("the database gave no dead_letter_id");
        }
        long deadLetterId = generated.getLong(1);
        insertHeaders(connection, deadLetterId, envelope.headers());
        return deadLetterId;
      }
    }
  }

  private void insertHeaders(Connection connection, long id, List<Envelope.Header> all)
      throws SQLException {
    if (all.isEmpty()) {
      return;
    }
    try (PreparedStatement insert =
        connection.prepareStatement(
            "INSERT INTO "
                + headerTable()
                + " (dead_letter_id, ordinal, name, value) VALUES (?, ?, ?, ?)")) {
      for (int i = 0; i < all.size(); i++) {
        insert.setLong(1, id);
        insert.setInt(2, i);
        insert.setString(3, StoredText.escaped(all.get(i).name()));
        insert.setBytes(4, all.get(i).value());
        insert.addBatch();
      }
      insert.executeBatch();
    }
  }

  /**
   * Locks the front of a key until the transaction ends, waiting for who has it.
   *
   * @return null if there was none when the statement began, or none is left of those
   */
  @Nullable Position lockFront(Connection connection, String topic, UUID keyHash)
      throws SQLException {
    return front(connection, topic, keyHash, " FOR UPDATE");
  }

  /** The front of a key; null if it has no rows. */
  @Nullable Position front(Connection connection, String topic, UUID keyHash) throws SQLException {
    return front(connection, topic, keyHash, "");
  }

  private @Nullable Position front(
      Connection connection, String topic, UUID keyHash, String locking) throws SQLException {
    try (PreparedStatement select =
        connection.prepareStatement(
            "SELECT dead_letter_id, state, topic, record_key_hash FROM "
                + table()
                + " WHERE consumer = ? AND topic = ? AND record_key_hash = ?"
                + " ORDER BY dead_letter_id LIMIT 1"
                + locking)) {
      select.setString(1, consumer);
      select.setString(2, topic);
      dialect.table(connection).setKey(select, 3, keyHash);
      return positions(connection, select).stream().findFirst().orElse(null);
    }
  }

  /** Where one stands; null if there is none. */
  @Nullable Position position(Connection connection, long id, boolean isLocking)
      throws SQLException {
    try (PreparedStatement select =
        connection.prepareStatement(
            "SELECT dead_letter_id, state, topic, record_key_hash FROM "
                + table()
                + " WHERE consumer = ? AND dead_letter_id = ?"
                + (isLocking ? " FOR UPDATE" : ""))) {
      select.setString(1, consumer);
      select.setLong(2, id);
      return positions(connection, select).stream().findFirst().orElse(null);
    }
  }

  /** A page of those that fit, with ids above the one and up to the other. */
  List<Position> page(
      Connection connection, DeadLetterFilter filter, long afterId, long untilId, int max)
      throws SQLException {
    DeadLetterWhere where = DeadLetterWhere.of(consumer, filter).between(afterId, untilId);
    if (filter.reason() == null) {
      // Their effects may be there. A retry adds them again, and is for who has looked.
      where.butNot(TransactionEndedException.class.getName());
    }
    try (PreparedStatement select =
        connection.prepareStatement(
            "SELECT dead_letter_id, state, topic, record_key_hash FROM "
                + table()
                + where.sql()
                + " ORDER BY dead_letter_id LIMIT ?")) {
      int next = where.bind(select, dialect.table(connection));
      select.setInt(next, max);
      return positions(connection, select);
    }
  }

  private List<Position> positions(Connection connection, PreparedStatement select)
      throws SQLException {
    InboxTable types = dialect.table(connection);
    List<Position> positions = new ArrayList<>();
    try (ResultSet row = select.executeQuery()) {
      while (row.next()) {
        positions.add(
            new Position(
                row.getLong(1),
                State.of(row.getString(2)),
                row.getString(3),
                types.getKey(row, 4)));
      }
    }
    return positions;
  }

  /** The highest id there is; 0 if there is none. */
  long lastId(Connection connection) throws SQLException {
    try (PreparedStatement select =
        connection.prepareStatement(
            "SELECT max(dead_letter_id) FROM " + table() + " WHERE consumer = ?")) {
      select.setString(1, consumer);
      return number(select);
    }
  }

  long count(Connection connection, DeadLetterFilter filter) throws SQLException {
    DeadLetterWhere where = DeadLetterWhere.of(consumer, filter);
    try (PreparedStatement select =
        connection.prepareStatement("SELECT count(*) FROM " + table() + where.sql())) {
      where.bind(select, dialect.table(connection));
      return number(select);
    }
  }

  private static long number(PreparedStatement select) throws SQLException {
    try (ResultSet row = select.executeQuery()) {
      return row.next() ? row.getLong(1) : 0;
    }
  }

  Set<UUID> heldKeys(Connection connection, String topic) throws SQLException {
    InboxTable types = dialect.table(connection);
    try (PreparedStatement select =
        connection.prepareStatement(
            "SELECT DISTINCT record_key_hash FROM "
                + table()
                + " WHERE consumer = ? AND topic = ? AND record_key_hash IS NOT NULL")) {
      select.setString(1, consumer);
      select.setString(2, topic);
      Set<UUID> keys = new HashSet<>();
      try (ResultSet row = select.executeQuery()) {
        while (row.next()) {
          keys.add(Objects.requireNonNull(types.getKey(row, 1)));
        }
      }
      return keys;
    }
  }

  /** Whether it is there, or the inbox knows its place from when it was settled. */
  boolean contains(Connection connection, Envelope envelope) throws SQLException {
    InboxTable types = dialect.table(connection);
    Instant sentAt = kept(envelope.sentAt());
    try (PreparedStatement select =
        connection.prepareStatement(
            "SELECT 1 FROM "
                + table()
                + " WHERE consumer = ? AND topic = ? AND message_partition = ?"
                + " AND message_offset = ? AND sent_at = ?")) {
      select.setString(1, consumer);
      select.setString(2, envelope.topic());
      select.setInt(3, envelope.partition());
      select.setLong(4, envelope.offset());
      types.setTime(select, 5, sentAt);
      try (ResultSet row = select.executeQuery()) {
        if (row.next()) {
          return true;
        }
      }
    }
    MessageId place =
        DeadLetter.placeId(envelope.topic(), envelope.partition(), envelope.offset(), sentAt);
    return !types.find(connection, List.of(place.key())).isEmpty();
  }

  List<DeadLetter> list(Connection connection, DeadLetterFilter filter, int max, long afterId)
      throws SQLException {
    InboxTable types = dialect.table(connection);
    DeadLetterWhere where = DeadLetterWhere.of(consumer, filter).between(afterId, Long.MAX_VALUE);
    try (PreparedStatement select =
        connection.prepareStatement(
            "SELECT "
                + COLUMNS
                + " FROM "
                + table()
                + where.sql()
                + " ORDER BY dead_letter_id LIMIT ?")) {
      int next = where.bind(select, types);
      select.setInt(next, max);
      List<DeadLetter> page = new ArrayList<>();
      try (ResultSet row = select.executeQuery()) {
        while (row.next()) {
          page.add(read(row, types, null));
        }
      }
      return page;
    }
  }

  /** With payload and headers; null if there is none. */
  @Nullable DeadLetter find(Connection connection, long id) throws SQLException {
    InboxTable types = dialect.table(connection);
    List<Envelope.Header> all = headers(connection, id);
    try (PreparedStatement select =
        connection.prepareStatement(
            "SELECT "
                + COLUMNS
                + ", payload FROM "
                + table()
                + " WHERE consumer = ? AND dead_letter_id = ?")) {
      select.setString(1, consumer);
      select.setLong(2, id);
      try (ResultSet row = select.executeQuery()) {
        return row.next() ? read(row, types, all) : null;
      }
    }
  }

  private List<Envelope.Header> headers(Connection connection, long id) throws SQLException {
    try (PreparedStatement select =
        connection.prepareStatement(
            "SELECT name, value FROM "
                + headerTable()
                + " WHERE dead_letter_id = ? ORDER BY ordinal")) {
      select.setLong(1, id);
      List<Envelope.Header> all = new ArrayList<>();
      try (ResultSet row = select.executeQuery()) {
        while (row.next()) {
          all.add(new Envelope.Header(StoredText.original(row.getString(1)), row.getBytes(2)));
        }
      }
      return all;
    }
  }

  /** Reads {@link #COLUMNS}; with headers given, the payload comes next. */
  private static DeadLetter read(
      ResultSet row, InboxTable types, @Nullable List<Envelope.Header> headers)
      throws SQLException {
    String topic = row.getString(3);
    int partition = row.getInt(4);
    long offset = row.getLong(5);
    Instant sentAt = types.getTime(row, 6);
    byte @Nullable [] key = row.getBytes(7);
    @Nullable String id = row.getString(8);
    @Nullable UUID messageKey = types.getKey(row, 15);
    State state = State.of(row.getString(2));
    Envelope envelope =
        headers == null
            ? null
            : new Envelope(topic, partition, offset, key, row.getBytes(16), sentAt, headers);
    return new DeadLetter(
        row.getLong(1),
        state,
        topic,
        partition,
        offset,
        sentAt,
        key,
        id == null || messageKey == null
            ? null
            : MessageId.stored(StoredText.original(id), messageKey),
        row.getBoolean(9),
        state == State.WAITING
            ? null
            : new Failure(row.getString(10), row.getString(11), row.getInt(12)),
        types.getTime(row, 13),
        types.getTime(row, 14),
        envelope);
  }

  /** Counts a failed attempt; false if the row is gone. */
  boolean fail(Connection connection, long id, Failure failure) throws SQLException {
    try (PreparedStatement update =
        connection.prepareStatement(
            "UPDATE "
                + table()
                + " SET state = ?, reason = ?, detail = ?, attempts = attempts + 1, changed_at = ?"
                + " WHERE consumer = ? AND dead_letter_id = ?")) {
      update.setString(1, State.FAILED.column());
      update.setString(2, failure.reason());
      update.setString(3, failure.detail());
      dialect.table(connection).setTime(update, 4, now());
      update.setString(5, consumer);
      update.setLong(6, id);
      return update.executeUpdate() == 1;
    }
  }

  /** Says that the inbox knows its message. */
  void setAdmitted(Connection connection, long id) throws SQLException {
    try (PreparedStatement update =
        connection.prepareStatement(
            "UPDATE "
                + table()
                + " SET is_admitted = ? WHERE consumer = ? AND dead_letter_id = ?")) {
      update.setBoolean(1, true);
      update.setString(2, consumer);
      update.setLong(3, id);
      update.executeUpdate();
    }
  }

  /** Takes one out and returns what it was, without payload; null if there is none. */
  @Nullable DeadLetter remove(Connection connection, long id) throws SQLException {
    if (position(connection, id, true) == null) {
      return null;
    }
    DeadLetter removed = find(connection, id);
    delete(connection, id);
    return removed;
  }

  /** Deletes a row, and with it its headers; false if it is gone. */
  boolean delete(Connection connection, long id) throws SQLException {
    try (PreparedStatement delete =
        connection.prepareStatement(
            "DELETE FROM " + table() + " WHERE consumer = ? AND dead_letter_id = ?")) {
      delete.setString(1, consumer);
      delete.setLong(2, id);
      return delete.executeUpdate() == 1;
    }
  }

  /** Deletes up to that many that are older, oldest first; returns how many. */
  int purge(Connection connection, Duration olderThan, int max) throws SQLException {
    List<Long> ids = new ArrayList<>();
    try (PreparedStatement select =
        connection.prepareStatement(
            "SELECT dead_letter_id FROM "
                + table()
                + " WHERE consumer = ? AND created_at < ? ORDER BY created_at LIMIT ?"
                + " FOR UPDATE")) {
      select.setString(1, consumer);
      dialect.table(connection).setTime(select, 2, now().minus(olderThan));
      select.setInt(3, max);
      try (ResultSet row = select.executeQuery()) {
        while (row.next()) {
          ids.add(row.getLong(1));
        }
      }
    }
    try (PreparedStatement delete =
        connection.prepareStatement(
            "DELETE FROM " + table() + " WHERE consumer = ? AND dead_letter_id = ?")) {
      for (long id : ids) {
        delete.setString(1, consumer);
        delete.setLong(2, id);
        delete.addBatch();
      }
      delete.executeBatch();
    }
    return ids.size();
  }

  private Instant now() {
    return kept(clock.instant());
  }

  /** What a column keeps of a moment, so that it is found again by it. */
  private static Instant kept(Instant time) {
    return InboxTable.storable(time).truncatedTo(ChronoUnit.MICROS);
  }
}
