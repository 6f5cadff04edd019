package io.outboxinbox.inbox;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** All SQL of the inbox itself, in one database's dialect. Works in the caller's transaction. */
interface InboxTable {
  /** What is kept of the first handling. */
  record Stored(byte @Nullable [] requestHash, byte @Nullable [] result) {
    /** What was found of an id; null if it is not known. */
    static @Nullable Stored of(Map<UUID, Stored> found, MessageId id) {
      Stored stored = found.get(id.key());
      UUID former = id.formerKey();
      if (stored != null || former == null) {
        return stored;
      }
      Stored ofFormer = found.get(former);
      return ofFormer == null || Arrays.equals(ofFormer.requestHash(), MESSAGE) ? null : ofFormer;
    }
  }

  /**
   * What a message is remembered by.
   *
   * @param former null if it has always been remembered by this key
   */
  record Entry(UUID key, @Nullable Former former) {
    static Entry of(UUID key) {
      return new Entry(key, null);
    }
  }

  /**
   * The key under which an earlier version may have kept it. Rows of this version do not count: by
   * their {@link #MESSAGE} they say that they are another's.
   *
   * @param since rows that came earlier were of another message
   */
  record Former(UUID key, Instant since) {}

  /**
   * What column request_hash of a new message holds. Earlier versions left it NULL, and kept
   * requests and messages of all sources under keys of one kind.
   */
  byte[] MESSAGE = {};

  /** Which row of {@code inbox_watermark}; in the order in which several of them are locked. */
  record MarkKey(String source, String topic, int partition) implements Comparable<MarkKey> {
    static MarkKey of(Origin origin) {
      return new MarkKey(origin.source(), origin.topic(), origin.partition());
    }

    @Override
    public int compareTo(MarkKey other) {
      int order = source.compareTo(other.source);
      order = order == 0 ? topic.compareTo(other.topic) : order;
      return order == 0 ? Integer.compare(partition, other.partition) : order;
    }
  }

  /** The last message handled. */
  record Mark(long epoch, long sequence) {
    static Mark of(Origin origin) {
      return new Mark(origin.epoch(), origin.sequence());
    }

    boolean isBefore(Mark other) {
      return epoch < other.epoch || (epoch == other.epoch && sequence < other.sequence);
    }
  }

  /**
   * What tells the transaction that has written from all others, for who asks later how it has
   * ended; 0 if nothing does. Written together with the rows, so that it costs no round trip.
   */
  final class Trace {
    /** Of rows that were added for messages. */
    long ofIds;

    /** Of marks that were moved. */
    long ofMarks;
  }

  /**
   * Remembers a message; waits while another transaction is at the same one.
   *
   * @return whether it was not known
   */
  boolean insert(Connection connection, Entry entry, Trace trace) throws SQLException;

  /** Whether {@link #commitAndInsert} saves a round trip; otherwise nobody calls it. */
  default boolean isCommittingWithInsert(Connection connection) throws SQLException {
    return false;
  }

  /**
   * Commits this transaction and remembers a message in the next one, which stays open. After a
   * failure nobody knows which of it has happened.
   *
   * @return whether the message was not known
   */
  default boolean commitAndInsert(Connection connection, Entry entry, Trace trace)
      throws SQLException {
    connection.commit();
    return insert(connection, entry, trace);
  }

  /**
   * Remembers messages; waits while another transaction is at one of them.
   *
   * @param entries without repeats, their keys sorted as {@link #KEY_ORDER} says: batches that lock
   *     in different orders deadlock
   * @return keys of those that were not known
   */
  Set<UUID> insertAll(Connection connection, List<Entry> entries, Trace trace) throws SQLException;

  /** What tells this transaction from all others, where the database can say; else 0. */
  default long transaction(Connection connection) throws SQLException {
    return 0;
  }

  /**
   * Whether an earlier transaction was committed. Asked in another one; may wait for its end.
   *
   * @param key of a message that it has remembered; of no account where it has a number
   * @param transaction as {@link Trace} or {@link #transaction} has told it
   * @throws InboxException.Retryable it is still open
   */
  boolean isCommitted(Connection connection, UUID key, long transaction) throws SQLException;

  /** What is stored with those of the messages that are known. */
  Map<UUID, Stored> find(Connection connection, Collection<UUID> keys) throws SQLException;

  /**
   * Keeps an answer with a message this transaction has remembered.
   *
   * @return whether there is such a message
   */
  boolean store(Connection connection, UUID key, Stored stored) throws SQLException;

  /** The moment before which messages may have been forgotten. */
  Instant floor(Connection connection) throws SQLException;

  /**
   * Moves a mark on within its epoch, in one statement.
   *
   * @return whether it moved: there is one, of the same epoch and with a lower number
   */
  boolean advance(Connection connection, MarkKey key, Mark to, Trace trace) throws SQLException;

  /**
   * Reads a mark and keeps others from moving it until the transaction ends.
   *
   * @return null if there is none
   */
  @Nullable Mark lockMark(Connection connection, MarkKey key) throws SQLException;

  /**
   * Makes a mark.
   *
   * @return whether there was none
   */
  boolean begin(Connection connection, MarkKey key, Mark mark, Trace trace) throws SQLException;

  /** Puts a mark that this transaction has locked elsewhere. */
  void move(Connection connection, MarkKey key, Mark to, Trace trace) throws SQLException;

  /** What is kept of epochs besides the marks. */
  EpochTable epochs();

  /** Binds a key to a parameter, as this database stores it. */
  void setKey(PreparedStatement statement, int index, @Nullable UUID key) throws SQLException;

  /** Reads a key from a column. */
  @Nullable UUID getKey(ResultSet row, int column) throws SQLException;

  /** Binds a moment to a parameter; kept to the microsecond. */
  void setTime(PreparedStatement statement, int index, Instant time) throws SQLException;

  /** Reads a moment from a column that is never null. */
  Instant getTime(ResultSet row, int column) throws SQLException;

  /** Sees to it that this transaction's commit waits for the disk, whatever the session says. */
  void commitDurably(Connection connection) throws SQLException;

  /** Whether a statement failed because its message is older than the floor. */
  boolean isBelowFloor(SQLException failure);

  /** Forgets in this database's way. */
  InboxCleaner cleaner();

  /** Where the tables come from, for messages. */
  String schemaFile();

  /** Any producer may say any time, and MySQL's columns end with this year. */
  Instant TIME_MAX = Instant.parse("9999-12-31T23:59:59.999999Z");

  /** What a column can hold of a moment. */
  static Instant storable(Instant time) {
    return time.isAfter(TIME_MAX) ? TIME_MAX : time;
  }

  /** Bytes without sign, as the databases sort them. */
  Comparator<UUID> KEY_ORDER =
      (a, b) -> {
        int high = Long.compareUnsigned(a.getMostSignificantBits(), b.getMostSignificantBits());
        return high != 0
            ? high
            : Long.compareUnsigned(a.getLeastSignificantBits(), b.getLeastSignificantBits());
      };
}
