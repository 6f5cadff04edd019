package io.outboxinbox.bench.inbox;

import io.outboxinbox.testkit.PostgresDatabase;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/** Bytes on disk. */
final class Storage {
  private Storage() {}

  /** Heap, indexes, maps and TOAST of a table and all its partitions. */
  static long bytes(PostgresDatabase database, String table) throws SQLException {
    try (Connection connection = database.connect();
        PreparedStatement query =
            connection.prepareStatement(
                "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(?::regclass)")) {
      query.setString(1, table);
      try (ResultSet row = query.executeQuery()) {
        row.next();
        return row.getLong(1);
      }
    }
  }

  static long number(PostgresDatabase database, String sql) throws SQLException {
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getLong(1);
    }
  }
}
