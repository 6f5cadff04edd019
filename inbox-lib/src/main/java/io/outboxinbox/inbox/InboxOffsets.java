package io.outboxinbox.inbox;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Offsets kept in the database of the effects, in their transaction, so that a database restored
 * from a backup goes on where its data ends. One row for each partition of a topic.
 *
 * <p>Works in the caller's transactions; any number of threads may share it.
 */
public final class InboxOffsets {
  private static final String UNIQUE_VIOLATION_CLASS = "23";
  private static final String ROW = " WHERE consumer = ? AND topic = ? AND message_partition = ?";

  /**
   * How far a partition is done.
   *
   * @param next offset of the next message to read
   * @param topicId Kafka's id of the topic, which tells it from one of the same name that was made
   *     later; null if unknown
   */
  public record Offset(long next, @Nullable UUID topicId) {}

  private final Inbox inbox;

  private InboxOffsets(Inbox inbox) {
    this.inbox = inbox;
  }

  private String table() {
    return inbox.dialect().schema().table("inbox_offset");
  }

  private String update() {
    return "UPDATE "
        + table()
        + " SET next_offset = ?, topic_id = ?, updated_at = CURRENT_TIMESTAMP"
        + ROW;
  }

  /** The offsets of an inbox's consumer, in the inbox's schema. */
  public static InboxOffsets of(Inbox inbox) {
    return new InboxOffsets(inbox);
  }

  /** What was kept for a partition; empty if nothing was. */
  public Optional<Offset> find(Connection connection, String topic, int partition)
      throws SQLException {
    return inbox.guarded(connection, table -> select(connection, table, topic, partition));
  }

  /**
   * Keeps an offset, unless a higher one is there. Best the last statement of a transaction:
   * whoever else is at this partition waits for its end.
   *
   * @throws InboxException.Retryable another transaction made the row first; run the whole
   *     transaction again
   */
  public void advance(Connection connection, String topic, int partition, Offset offset)
      throws SQLException {
    inbox.guarded(
        connection,
        table -> {
          boolean isMoved = false;
          try (PreparedStatement statement =
              connection.prepareStatement(update() + " AND next_offset < ?")) {
            bind(statement, table, topic, partition, offset);
            statement.setLong(6, offset.next());
            isMoved = statement.executeUpdate() == 1;
          }
          if (!isMoved && select(connection, table, topic, partition).isEmpty()) {
            insert(connection, table, topic, partition, offset);
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
  public void replace(Connection connection, String topic, int partition, Offset offset)
      throws SQLException {
    inbox.guarded(
        connection,
        table -> {
          boolean isThere = false;
          try (PreparedStatement statement = connection.prepareStatement(update())) {
            bind(statement, table, topic, partition, offset);
            isThere = statement.executeUpdate() == 1;
          }
          if (!isThere) {
            insert(connection, table, topic, partition, offset);
          }
          return isThere;
        });
  }

  private Optional<Offset> select(
      Connection connection, InboxTable table, String topic, int partition) throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement("SELECT next_offset, topic_id FROM " + table() + ROW)) {
      statement.setString(1, inbox.consumer());
      statement.setString(2, topic);
      statement.setInt(3, partition);
      try (ResultSet row = statement.executeQuery()) {
        return row.next()
            ? Optional.of(new Offset(row.getLong(1), table.getKey(row, 2)))
            : Optional.empty();
      }
    }
  }

  private void insert(
      Connection connection, InboxTable table, String topic, int partition, Offset offset)
      throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement(
            "INSERT INTO "
                + table()
                + " (next_offset, topic_id, consumer, topic, message_partition)"
                + " VALUES (?, ?, ?, ?, ?)")) {
      bind(statement, table, topic, partition, offset);
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

  private void bind(
      PreparedStatement statement, InboxTable table, String topic, int partition, Offset offset)
      throws SQLException {
    statement.setLong(1, offset.next());
    table.setKey(statement, 2, offset.topicId());
    statement.setString(3, inbox.consumer());
    statement.setString(4, topic);
    statement.setInt(5, partition);
  }
}
