package io.outboxinbox.inbox;

import io.outboxinbox.inbox.InboxTable.Mark;
import io.outboxinbox.inbox.InboxTable.MarkKey;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/** What is kept of epochs besides the marks; asked only where an epoch changes. */
final class EpochTable {
  private final String consumer;
  private final String end;
  private final String accepted;
  private final String watermark;
  private final String shared;
  private final String unlessThere;

  /**
   * Knows one consumer's rows.
   *
   * @param shared ends a SELECT that has to see the present
   * @param unlessThere ends an INSERT that is to do nothing where the row is there
   */
  EpochTable(SchemaName schema, String consumer, String shared, String unlessThere) {
    this.consumer = consumer;
    this.end = schema.table("inbox_epoch_end");
    this.accepted = schema.table("inbox_epoch_accepted");
    this.watermark = schema.table("inbox_watermark");
    this.shared = shared;
    this.unlessThere = unlessThere;
  }

  /** Keeps where a partition's epoch ended; its mark is locked and goes on into another. */
  void end(Connection connection, MarkKey key, Mark last) throws SQLException {
    Mark known = endOf(connection, key, last.epoch());
    if (known != null && !known.isBefore(last)) {
      return;
    }
    String sql =
        known == null
            ? "INSERT INTO "
                + end
                + " (sequence, consumer, source, topic, message_partition, epoch)"
                + " VALUES (?, ?, ?, ?, ?, ?)"
            : "UPDATE "
                + end
                + " SET sequence = ? WHERE consumer = ? AND source = ? AND topic = ?"
                + " AND message_partition = ? AND epoch = ?";
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setLong(1, last.sequence());
      bind(statement, 2, key, last.epoch());
      statement.executeUpdate();
    }
  }

  /** The last message handled in an epoch that has ended; null if none is known. */
  @Nullable Mark endOf(Connection connection, MarkKey key, long epoch) throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement(
            "SELECT sequence FROM "
                + end
                + " WHERE consumer = ? AND source = ? AND topic = ?"
                + " AND message_partition = ? AND epoch = ?"
                + shared)) {
      bind(statement, 1, key, epoch);
      try (ResultSet row = statement.executeQuery()) {
        return row.next() ? new Mark(epoch, row.getLong(1)) : null;
      }
    }
  }

  /** Whether somebody has accepted that a source begins an epoch. */
  boolean isAccepted(Connection connection, String source, long epoch) throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement(
            "SELECT 1 FROM "
                + accepted
                + " WHERE consumer = ? AND source = ? AND epoch = ?"
                + shared)) {
      bind(statement, source, epoch);
      try (ResultSet row = statement.executeQuery()) {
        return row.next();
      }
    }
  }

  /** Accepts that a source begins an epoch; again is no mistake. */
  void accept(Connection connection, String source, long epoch) throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement(
            "INSERT INTO "
                + accepted
                + " (consumer, source, epoch) VALUES (?, ?, ?)"
                + unlessThere)) {
      bind(statement, source, epoch);
      statement.executeUpdate();
    }
  }

  /** The statement by which people accept an epoch. */
  String acceptance(String source, long epoch) {
    return "INSERT INTO %s (consumer, source, epoch) VALUES (%s, %s, %d)"
        .formatted(accepted, quoted(consumer), quoted(source), epoch);
  }

  private static String quoted(String text) {
    return "'" + text.replace("'", "''") + "'";
  }

  /** How many marks of a source stand in earlier epochs. */
  int marksBefore(Connection connection, String source, long epoch) throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement(
            "SELECT count(*) FROM "
                + watermark
                + " WHERE consumer = ? AND source = ? AND epoch < ?"
                + shared)) {
      bind(statement, source, epoch);
      try (ResultSet row = statement.executeQuery()) {
        row.next();
        return row.getInt(1);
      }
    }
  }

  private void bind(PreparedStatement statement, int first, MarkKey key, long epoch)
      throws SQLException {
    statement.setString(first, consumer);
    statement.setString(first + 1, key.source());
    statement.setString(first + 2, key.topic());
    statement.setInt(first + 3, key.partition());
    statement.setLong(first + 4, epoch);
  }

  private void bind(PreparedStatement statement, String source, long epoch) throws SQLException {
    statement.setString(1, consumer);
    statement.setString(2, source);
    statement.setLong(3, epoch);
  }
}
