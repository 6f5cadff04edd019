package io.outboxinbox.testkit;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.UUID;
import java.util.regex.Pattern;

/**
 * Where a server listens and who may do everything there. The server may be ours or a container's.
 */
record PostgresAddress(String host, int port, String user, String password) {
  private static final Pattern PLAIN_NAME = Pattern.compile("[a-z][a-z0-9_]{0,40}");

  String jdbcUrl(String database) {
    return "jdbc:postgresql://" + host + ":" + port + "/" + database;
  }

  Connection connect(String database) throws SQLException {
    return DriverManager.getConnection(jdbcUrl(database), user, password);
  }

  PostgresDatabase database(String name) {
    return new PostgresDatabase(host, port, name, user, password);
  }

  /** A new database, with these files of the schema in it. */
  String createDatabase(String prefix, List<String> files) throws SQLException {
    if (!PLAIN_NAME.matcher(prefix).matches()) {
      throw new IllegalArgumentException(
          "database prefix '"
              + prefix
              + "' must match "
              + PLAIN_NAME
              + " so that nobody has to quote it");
    }
    String name = prefix + "_" + UUID.randomUUID().toString().substring(0, 8);
    String template = files.isEmpty() ? "template1" : DatabaseTemplate.of(this, files);
    database("postgres").execute("CREATE DATABASE " + name + " TEMPLATE " + template);
    return name;
  }

  void dropDatabase(String name) throws SQLException {
    KeptSessions.forget(jdbcUrl(name));
    onServer(
        connection -> {
          dropSlots(connection, name);
          try (Statement statement = connection.createStatement()) {
            return statement.execute(
                "DROP DATABASE IF EXISTS \"" + name.replace("\"", "\"\"") + "\" WITH (FORCE)");
          }
        });
  }

  private <T> void onServer(KeptSessions.Use<T> use) throws SQLException {
    KeptSessions.use(jdbcUrl("postgres"), user, password, use);
  }

  // A slot keeps its database from being dropped, and its write-ahead log from being removed.
  private static void dropSlots(Connection connection, String database) throws SQLException {
    try (PreparedStatement terminate =
            connection.prepareStatement(
                """
                SELECT pg_terminate_backend(active_pid, 10000)
                FROM pg_replication_slots WHERE database = ? AND active_pid IS NOT NULL
                """);
        PreparedStatement drop =
            connection.prepareStatement(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = ?")) {
      terminate.setString(1, database);
      terminate.execute();
      drop.setString(1, database);
      drop.execute();
    }
  }
}
