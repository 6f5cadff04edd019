package io.outboxinbox.inbox;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Statement;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The functions of {@code schema/postgresql/10_inbox.sql} do it. */
final class PostgresCleaner implements InboxCleaner {
  private static final Logger log = LoggerFactory.getLogger(PostgresCleaner.class);
  private static final String WARNING = "01000";

  /** A guess: fewer come from producers whose clock is wrong, and do no harm. */
  private static final int STRAY_ROWS_MAX = 1_000;

  private final String clean;
  private final String tomorrow;
  private final String mayReadStrayRows;
  private final String strayRows;
  private final String resetFloor;

  PostgresCleaner(SchemaName schema) {
    this.clean =
        "SELECT greatest(floor, 'epoch'), partitions_dropped, rows_deleted, is_done FROM "
            + schema.table("inbox_clean")
            + "(make_interval(secs => ? + CASE WHEN clock_timestamp() - ? > make_interval(secs => ?)"
            + " THEN extract(epoch FROM clock_timestamp() - ?)::float8 ELSE 0 END), ?)";
    // The constraint refuses what is older than the floor, and the days of now may be dropped.
    this.resetFloor =
        "BEGIN; ALTER TABLE "
            + schema.table("inbox_message_default")
            + " DROP CONSTRAINT IF EXISTS inbox_message_not_older_than_floor; UPDATE "
            + schema.table("inbox_floor")
            + " SET floor = now(), previous_floor = now(), moved_at = now(); SELECT "
            + schema.table("inbox_partitions_create")
            + "(); COMMIT";
    String tomorrowsKey = schema.table("inbox_first_key") + "(now() + interval '1 day')";
    this.tomorrow =
        "SELECT count(*) FROM "
            + schema.table("inbox_partitions")
            + "() WHERE from_key <= "
            + tomorrowsKey
            + " AND until_key > "
            + tomorrowsKey;
    this.mayReadStrayRows =
        "SELECT has_table_privilege('"
            + schema.table("inbox_message_default")
            + "', 'SELECT')::int";
    this.strayRows =
        "SELECT count(*) FROM (SELECT FROM "
            + schema.table("inbox_message_default")
            + " WHERE received_at > now() - interval '1 day' LIMIT "
            + STRAY_ROWS_MAX
            + ") AS stray";
  }

  @Override
  public Optional<Step> step(Connection connection, Duration keep, int rowsMax)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(clean)) {
      statement.setDouble(1, (double) keep.toSeconds());
      // A clock that is ahead makes everything older than it is, so that more has to be kept.
      OffsetDateTime ours = OffsetDateTime.now(ZoneOffset.UTC);
      statement.setObject(2, ours);
      statement.setDouble(3, (double) CLOCK_AHEAD_MAX.toSeconds());
      statement.setObject(4, ours);
      statement.setInt(5, rowsMax);
      try (ResultSet row = statement.executeQuery()) {
        boolean isHeldUp = logWarnings(statement);
        if (!row.next()) {
          return Optional.empty();
        }
        return Optional.of(
            new Step(
                row.getObject(1, OffsetDateTime.class).toInstant(),
                row.getInt(2),
                row.getInt(3),
                row.getBoolean(4),
                isHeldUp));
      }
    }
  }

  /** The functions warn where they gave up waiting for other transactions. */
  private static boolean logWarnings(Statement statement) throws SQLException {
    boolean isHeldUp = false;
    for (SQLWarning w = statement.getWarnings(); w != null; w = w.getNextWarning()) {
      if (WARNING.equals(w.getSQLState())) {
        isHeldUp = true;
        log.warn("inbox_clean: {}", w.getMessage());
      }
    }
    return isHeldUp;
  }

  @Override
  public List<Finding> check(Connection connection) throws SQLException {
    List<Finding> findings = new ArrayList<>();
    if (number(connection, tomorrow) == 0) {
      findings.add(
          new Finding(
              Finding.Kind.NO_PARTITION_FOR_TOMORROW,
              "inbox_message has no partition for tomorrow",
              "let InboxRetention run, or call inbox_partitions_create() daily"));
    }
    // Asked first: a statement that is refused would end the transaction.
    if (number(connection, mayReadStrayRows) == 1
        && number(connection, strayRows) >= STRAY_ROWS_MAX) {
      findings.add(
          new Finding(
              Finding.Kind.DEFAULT_PARTITION_GROWS,
              "at least "
                  + STRAY_ROWS_MAX
                  + " messages of the last day came to inbox_message_default, made on days that"
                  + " have no partition",
              "look at the producers' clocks and at SELECT * FROM inbox_partitions()"));
    }
    return findings;
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
