package io.outboxinbox.inbox;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** All SQL of forgetting, in one database's dialect. Works in the caller's transaction. */
interface InboxCleaner {
  /**
   * How far ahead of ours the database's clock may be. What is forgotten on the word of one clock
   * that has jumped is gone, and what comes next is taken for too old.
   */
  Duration CLOCK_AHEAD_MAX = Duration.ofMinutes(5);

  /**
   * What one transaction did.
   *
   * @param isHeldUp transactions kept it from doing all it wanted; it tries again next time
   */
  record Step(
      Instant floor, int partitionsDropped, int rowsDeleted, boolean isDone, boolean isHeldUp) {}

  /**
   * Moves the floor, or deletes some of what lies below it.
   *
   * @param rowsMax how many rows at most
   * @return empty while another session is at it
   */
  Optional<Step> step(Connection connection, Duration keep, int rowsMax) throws SQLException;

  /** What only this database can be in want of. */
  List<Finding> check(Connection connection) throws SQLException;

  /** Statements that put the floor to the present; for a person who may alter the tables. */
  String resetFloor();
}
