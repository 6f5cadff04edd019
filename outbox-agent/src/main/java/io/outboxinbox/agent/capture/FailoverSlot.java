package io.outboxinbox.agent.capture;

import java.sql.Connection;
import java.sql.SQLException;

/** Slots that PostgreSQL 17 and later copies to standbys, so that they survive a promotion. */
final class FailoverSlot {
  private static final int SINCE = 17;

  private FailoverSlot() {}

  /** What to add to the command that creates a slot; nothing before PostgreSQL 17. */
  static String option(Connection connection, SourceConfiguration source) throws SQLException {
    boolean isKnown = connection.getMetaData().getDatabaseMajorVersion() >= SINCE;
    return isKnown && source.failoverSlot() ? " (FAILOVER true)" : "";
  }
}
