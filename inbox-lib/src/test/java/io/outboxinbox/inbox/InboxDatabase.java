package io.outboxinbox.inbox;

import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.UUID;

/** A database with the inbox's tables and a table for effects. */
final class InboxDatabase {
  static final String CONSUMER = "inventory";

  private final PostgresDatabase database;

  private InboxDatabase(PostgresDatabase database) {
    this.database = database;
  }

  static InboxDatabase create(PostgresExtension postgres) throws Exception {
    PostgresDatabase database = postgres.newDatabase();
    database.runScript("schema/postgresql/10_inbox.sql");
    database.execute("CREATE TABLE effect (id text NOT NULL)");
    return new InboxDatabase(database);
  }

  PostgresDatabase database() {
    return database;
  }

  /** A new connection with a transaction. */
  Connection connect() throws SQLException {
    Connection connection = database.connect();
    connection.setAutoCommit(false);
    return connection;
  }

  Connection connect(int isolation) throws SQLException {
    Connection connection = connect();
    connection.setTransactionIsolation(isolation);
    return connection;
  }

  static void addEffect(Connection connection, MessageId id) throws SQLException {
    try (var insert = connection.prepareStatement("INSERT INTO effect VALUES (?)")) {
      insert.setString(1, id.text());
      insert.executeUpdate();
    }
  }

  long effects() throws SQLException {
    return number("SELECT count(*) FROM effect");
  }

  long number(String sql) throws SQLException {
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getLong(1);
    }
  }

  void execute(String... sql) throws SQLException {
    database.execute(sql);
  }

  /** A UUID version 7 of now. */
  static MessageId newId() {
    return idOf(System.currentTimeMillis());
  }

  /** A UUID version 7 of that moment. */
  static MessageId idOf(long epochMillis) {
    UUID random = UUID.randomUUID();
    long high = (epochMillis << 16) | 0x7000 | (random.getMostSignificantBits() & 0xFFF);
    return MessageId.of(new UUID(high, random.getLeastSignificantBits()));
  }
}
