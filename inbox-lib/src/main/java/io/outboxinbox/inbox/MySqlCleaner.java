package io.outboxinbox.inbox;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Forgetting on MySQL and MariaDB. Whoever adds a message has a shared lock on the floor until its
 * commit, so the floor moves only between such transactions; rows go after its commit.
 */
final class MySqlCleaner implements InboxCleaner {
  private static final Logger log = LoggerFactory.getLogger(MySqlCleaner.class);

  /** Consumers that come meanwhile wait behind our requests, so those must not wait for long. */
  private static final int LOCK_WAIT_SECONDS = 2;

  /** A consumer may use a floor that it has read a minute ago; see {@link Floor}. */
  private static final String STANDS = "moved_at < UTC_TIMESTAMP(6) - INTERVAL 10 MINUTE";

  /** A producer's clock may be ahead of ours, by an hour where the broker has its defaults. */
  private static final Duration CLOCK_SKEW_MAX = Duration.ofHours(1);

  private final String lockName;
  private final String readFloor;
  private final String moveFloor;
  private final String delete;
  private final String resetFloor;

  MySqlCleaner(SchemaName schema) {
    String name = schema.name();
    // At most 64 characters. The database's name is in it, because the lock is the whole server's.
    this.lockName =
        "CONCAT('inbox_clean.', SHA1(" + (name == null ? "DATABASE()" : "'" + name + "'") + "))";
    String floor = schema.table("inbox_floor");
    String message = schema.table("inbox_message");
    this.readFloor =
        "SELECT UTC_TIMESTAMP(6), floor, CASE WHEN "
            + STANDS
            + " THEN floor ELSE previous_floor END FROM "
            + floor;
    // Assigned from left to right: moved_at and floor are still the old ones where they are read.
    this.moveFloor =
        "UPDATE "
            + floor
            + " SET previous_floor = CASE WHEN "
            + STANDS
            + " THEN floor ELSE previous_floor END,"
            + " floor = ?, floor_key = ?, moved_at = UTC_TIMESTAMP(6) WHERE floor < ?";
    this.resetFloor =
        "UPDATE "
            + floor
            + " SET floor = UTC_TIMESTAMP(6), previous_floor = UTC_TIMESTAMP(6),"
            + " moved_at = UTC_TIMESTAMP(6), floor_key = UNHEX(CONCAT("
            + "LPAD(HEX(FLOOR(UNIX_TIMESTAMP(NOW(6)) * 1000)), 12, '0'), '70008000000000000000'))";
    this.delete =
        "DELETE FROM "
            + message
            + " WHERE received_at < ?"
            + " AND (message_key < ? OR message_key >= x'ff000000000000000000000000000000')"
            + " ORDER BY received_at LIMIT ?";
  }

  @Override
  public Optional<Step> step(Connection connection, Duration keep, int rowsMax)
      throws SQLException {
    // The session's, not the transaction's. What follows its release, the commit, needs no lock of
    // ours: the rows have theirs, and the floor only rises.
    if (number(connection, "SELECT GET_LOCK(" + lockName + ", 0)") != 1) {
      return Optional.empty();
    }
    long usualWait = number(connection, "SELECT @@SESSION.innodb_lock_wait_timeout");
    setLockWait(connection, LOCK_WAIT_SECONDS);
    try {
      return Optional.of(stepAlone(connection, keep, rowsMax));
    } finally {
      setLockWait(connection, usualWait);
      number(connection, "SELECT RELEASE_LOCK(" + lockName + ")");
    }
  }

  private Step stepAlone(Connection connection, Duration keep, int rowsMax) throws SQLException {
    Instant now;
    Instant floor;
    Instant safeFloor;
    try (PreparedStatement statement = connection.prepareStatement(readFloor);
        ResultSet row = statement.executeQuery()) {
      if (!row.next()) {
        throw MySqlTable.noFloor();
      }
      now = MySqlTable.time(row, 1);
      floor = MySqlTable.time(row, 2);
      safeFloor = MySqlTable.time(row, 3);
    }
    Instant ours = Instant.now();
    if (now.isAfter(ours.plus(CLOCK_AHEAD_MAX))) {
      log.warn("the database's clock says {}, ours {}; the inbox is cleaned as of ours", now, ours);
      now = ours;
    }
    Instant wanted = now.minus(keep).truncatedTo(ChronoUnit.DAYS);
    // A statement that waits for too long changes nothing and leaves the transaction as it was.
    try {
      if (wanted.isAfter(floor)) {
        moveFloor(connection, wanted);
        return new Step(wanted, 0, 0, false, false);
      }
      int deleted = delete(connection, safeFloor.minus(CLOCK_SKEW_MAX), floor, rowsMax);
      return new Step(floor, 0, deleted, deleted < rowsMax, false);
    } catch (SQLException e) {
      if (e.getErrorCode() != MySqlTable.LOCK_WAIT_TIMEOUT) {
        throw e;
      }
      log.warn("the inbox was not cleaned: transactions hold its floor or rows; try again later");
      return new Step(floor, 0, 0, true, true);
    }
  }

  private void moveFloor(Connection connection, Instant wanted) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(moveFloor)) {
      statement.setObject(1, MySqlTable.column(wanted));
      statement.setBytes(2, MySqlTable.bytes(firstKey(wanted)));
      statement.setObject(3, MySqlTable.column(wanted));
      statement.executeUpdate();
    }
  }

  private static void setLockWait(Connection connection, long seconds) throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement("SET SESSION innodb_lock_wait_timeout = " + seconds)) {
      statement.execute();
    }
  }

  private int delete(Connection connection, Instant cameUntil, Instant floor, int rowsMax)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(delete)) {
      statement.setObject(1, MySqlTable.column(cameUntil));
      statement.setBytes(2, MySqlTable.bytes(firstKey(floor)));
      statement.setInt(3, rowsMax);
      return statement.executeUpdate();
    }
  }

  /** The smallest UUID version 7 of that millisecond. */
  private static UUID firstKey(Instant moment) {
    return new UUID((moment.toEpochMilli() << 16) | 0x7000, Long.MIN_VALUE);
  }

  @Override
  public List<Finding> check(Connection connection) throws SQLException {
    long flush = number(connection, "SELECT @@GLOBAL.innodb_flush_log_at_trx_commit");
    return flush == 1
        ? List.of()
        : List.of(
            new Finding(
                Finding.Kind.COMMITS_NOT_DURABLE,
                "innodb_flush_log_at_trx_commit is "
                    + flush
                    + ": a crash of the server loses commits, and the broker will not send their"
                    + " messages again",
                "set it to 1, or keep offsets in the database (InboxOffsets)"));
  }

  @Override
  public String resetFloor() {
    return resetFloor;
  }

  private static long number(Connection connection, String sql) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql);
        ResultSet row = statement.executeQuery()) {
      return row.next() ? row.getLong(1) : 0;
    }
  }
}
