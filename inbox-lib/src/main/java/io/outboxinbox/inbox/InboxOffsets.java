package io.outboxinbox.inbox;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.OptionalLong;

/**
 * Offsets kept in the database of the effects, in their transaction, so that a database restored
 * from a backup goes on where its data ends. One row for each partition of a topic.
 *
 * <p>Works in the caller's transactions; any number of threads may share it.
 */
public final class InboxOffsets {
  private static final String UNIQUE_VIOLATION_CLASS = "23";

  private final Inbox inbox;
  private final String find;
  private final String advance;
  private final String replace;
  private final String insert;

  private InboxOffsets(Inbox inbox) {
    this.inbox = inbox;
    String table = inbox.dialect().schema().table("inbox_offset");
    // Behind a point no word is reserved; 'partition' is one in MySQL.
    String row = " WHERE o.consumer = ? AND o.topic = ? AND o.partition = ?";
    String update =
        "UPDATE " + table + " AS o SET next_offset = ?, updated_at = CURRENT_TIMESTAMP" + row;
    this.find = "SELECT o.next_offset FROM " + table + " AS o" + row;
    this.advance = update + " AND o.next_offset < ?";
    this.replace = update;
    this.insert = "INSERT INTO " + table + " VALUES (?, ?, ?, ?, CURRENT_TIMESTAMP)";
  }

  /** The offsets of an inbox's consumer, in the inbox's schema. */
  public static InboxOffsets of(Inbox inbox) {
    return new InboxOffsets(inbox);
  }

  /** The offset of the next message to read; empty if none was kept. */
  public OptionalLong find(Connection connection, String topic, int partition) throws SQLException {
    return inbox.guarded(connection, table -> select(connection, topic, partition));
  }

  /**
   * Keeps the offset of the next message to read, unless a higher one is there. Best the last
   * statement of a transaction: whoever else is at this partition waits for its end.
   *
   * @throws InboxException.Retryable another transaction made the row first; run the whole
   *     transaction again
   */
  public void advance(Connection connection, String topic, int partition, long nextOffset)
      throws SQLException {
    inbox.guarded(
        connection,
        table -> {
          boolean isMoved = update(connection, advance, topic, partition, nextOffset);
          if (!isMoved && select(connection, topic, partition).isEmpty()) {
            insert(connection, topic, partition, nextOffset);
          }
          return isMoved;
        });
  }

  /**
   * Keeps an offset even if a higher one is there: the topic was made anew, or somebody wants to
   * read it again.
   *
   * @throws InboxException.Retryable as {@link #advance}
   */
  public void replace(Connection connection, String topic, int partition, long nextOffset)
      throws SQLException {
    inbox.guarded(
        connection,
        table -> {
          boolean isThere = update(connection, replace, topic, partition, nextOffset);
          if (!isThere) {
            insert(connection, topic, partition, nextOffset);
          }
          return isThere;
        });
  }

  private OptionalLong select(Connection connection, String topic, int partition)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(find)) {
      statement.setString(1, inbox.consumer());
      statement.setString(2, topic);
      statement.setInt(3, partition);
      try (ResultSet row = statement.executeQuery()) {
        return row.next() ? OptionalLong.of(row.getLong(1)) : OptionalLong.empty();
      }
    }
  }

  private boolean update(
      Connection connection, String sql, String topic, int partition, long nextOffset)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setLong(1, nextOffset);
      statement.setString(2, inbox.consumer());
      statement.setString(3, topic);
      statement.setInt(4, partition);
      if (sql.equals(advance)) {
        statement.setLong(5, nextOffset);
      }
      return statement.executeUpdate() == 1;
    }
  }

  private void insert(Connection connection, String topic, int partition, long nextOffset)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(insert)) {
      statement.setString(1, inbox.consumer());
      statement.setString(2, topic);
      statement.setInt(3, partition);
      statement.setLong(4, nextOffset);
      statement.executeUpdate();
    } catch (SQLException e) {
      String state = e.getSQLState() == null ? "" : e.getSQLState();
      if (state.startsWith(UNIQUE_VIOLATION_CLASS)) {
        throw new InboxException.Retryable(
            "another consumer began partition " + partition + " of " + topic + " too");
      }
      throw e;
    }
  }
}
