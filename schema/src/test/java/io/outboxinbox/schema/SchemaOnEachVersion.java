package io.outboxinbox.schema;

import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A server of each version, and the few words of SQL that the tests of the schema share. */
abstract class SchemaOnEachVersion {
  @RegisterExtension
  static final PostgresExtension postgres15 = PostgresExtension.shared(PostgresVersion.V15);

  @RegisterExtension
  static final PostgresExtension postgres17 = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension
  static final PostgresExtension postgres18 = PostgresExtension.shared(PostgresVersion.V18);

  static final List<String> FILES =
      List.of("01_outbox", "02_partitions", "03_publication", "04_agent", "05_roles");

  static PostgresDatabase empty(PostgresVersion version) throws SQLException {
    return on(version).newDatabase();
  }

  static PostgresExtension on(PostgresVersion version) {
    return switch (version) {
      case V15 -> postgres15;
      case V17 -> postgres17;
      case V18 -> postgres18;
    };
  }

  /** A database in which every file was run. */
  static PostgresDatabase installed(PostgresVersion version) throws SQLException {
    return on(version).newDatabase(FILES.toArray(String[]::new));
  }

  static void install(PostgresDatabase database) throws SQLException {
    for (String file : FILES) {
      database.runScript("schema/postgresql/" + file + ".sql");
    }
  }

  static String query(PostgresDatabase database, String sql) throws SQLException {
    return database.query(sql);
  }

  /** First column of the only row; null if that is NULL. */
  static String query(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      if (!rows.next()) {
        throw new AssertionError("no row from: " + sql);
      }
      return rows.getString(1);
    }
  }

  static void execute(Connection connection, String... statements) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      for (String sql : statements) {
        statement.execute(sql);
      }
    }
  }

  /** What PostgreSQL said; a record, because AssertJ takes an SQLException for a collection. */
  record Failure(String sqlState, String message) {}

  static Failure failureOf(PostgresDatabase database, String sql) throws SQLException {
    try (Connection connection = database.connect()) {
      return failureOf(connection, sql);
    }
  }

  static Failure failureOf(Connection connection, String sql) {
    try {
      execute(connection, sql);
    } catch (SQLException e) {
      return new Failure(e.getSQLState(), e.getMessage());
    }
    throw new AssertionError("should have failed: " + sql);
  }
}
