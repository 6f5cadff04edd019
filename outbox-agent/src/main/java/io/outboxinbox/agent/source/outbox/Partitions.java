package io.outboxinbox.agent.source.outbox;

import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.Sql;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLWarning;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes the partitions of the coming days with the schema's own function, so that nobody needs a
 * cron job: a partition cannot be attached any more once its rows lie in the default one.
 */
public final class Partitions {
  private static final Logger LOG = LoggerFactory.getLogger(Partitions.class);

  private Partitions() {}

  /**
   * Makes what is missing; waits for no lock, and does nothing where the schema has no such
   * function.
   *
   * @return how many were made
   * @throws SQLException as the server says; the next call makes up for it
   */
  public static int createAhead(Connection connection, SourceConfiguration source)
      throws SQLException {
    String function = Identifiers.qualified(source.schema(), "outbox_partitions_create");
    if (!exists(connection, function)) {
      return 0;
    }
    try (PreparedStatement statement = connection.prepareStatement("SELECT " + function + "()");
        ResultSet row = statement.executeQuery()) {
      row.next();
      for (SQLWarning w = statement.getWarnings(); w != null; w = w.getNextWarning()) {
        LOG.warn("table {}: {}", OutboxTable.OURS, w.getMessage());
      }
      return row.getInt(1);
    }
  }

  private static boolean exists(Connection connection, String function) throws SQLException {
    String sql = "SELECT to_regprocedure(?) IS NOT NULL";
    return Sql.one(connection, sql, row -> row.getBoolean(1), function + "(integer)");
  }
}
