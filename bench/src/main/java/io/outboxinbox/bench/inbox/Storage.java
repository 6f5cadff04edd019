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
                """
                -- pg_partition_tree has no rows for a table that is not partitioned.
                SELECT pg_total_relation_size(table_id)
                       + (SELECT coalesce(sum(pg_total_relation_size(relid)), 0)
                          FROM pg_partition_tree(table_id) WHERE relid <> table_id)
                FROM (SELECT ?::regclass AS table_id) AS wanted
                """)) {
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
