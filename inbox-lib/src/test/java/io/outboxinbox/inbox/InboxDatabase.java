package io.outboxinbox.inbox;

import io.outboxinbox.testkit.MariaDbExtension;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import java.io.InputStream;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Arrays;
import java.util.UUID;
import javax.sql.DataSource;

/** A database with the inbox's tables and a table for effects. */
final class InboxDatabase {
  static final String CONSUMER = "inventory";

  private static final String POSTGRES_WAITING =
      "SELECT count(*) FROM pg_stat_activity"
          + " WHERE datname = current_database() AND wait_event_type = 'Lock'";
  private static final String MARIADB_WAITING =
      "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'";

  private interface Opener {
    Connection open() throws SQLException;
  }

  private final Opener opener;
  private final PostgresDatabase postgres;

  private InboxDatabase(Opener opener, PostgresDatabase postgres) {
    this.opener = opener;
    this.postgres = postgres;
  }

  static InboxDatabase create(PostgresExtension postgres) throws Exception {
    PostgresDatabase database = postgres.newDatabase("10_inbox");
    database.execute("CREATE TABLE effect (id text NOT NULL)");
    return new InboxDatabase(database::connect, database);
  }

  static InboxDatabase create(MariaDbExtension mariadb, MySqlDriver driver) throws Exception {
    String name = mariadb.newDatabase();
    InboxDatabase database = new InboxDatabase(() -> driver.connect(mariadb, name), null);
    database.runScript("schema/mysql/10_inbox.sql");
    database.execute("CREATE TABLE effect (id text NOT NULL)");
    return database;
  }

  /** Of MySQL, where a script is run statement by statement. */
  void runScript(String path) throws Exception {
    try (InputStream script = InboxDatabase.class.getClassLoader().getResourceAsStream(path)) {
      String text = new String(script.readAllBytes(), StandardCharsets.UTF_8);
      execute(
          Arrays.stream(text.replaceAll("(?m)^ *--.*$", "").split(";\\s*\n"))
              .filter(statement -> !statement.isBlank())
              .toArray(String[]::new));
    }
  }

  /** Only of PostgreSQL. */
  PostgresDatabase database() {
    return postgres;
  }

  boolean isPostgres() {
    return postgres != null;
  }

  /** How many sessions wait for a lock. */
  long sessionsWaiting() throws SQLException {
    return number(isPostgres() ? POSTGRES_WAITING : MARIADB_WAITING);
  }

  /** That long ago, such as {@code "11 MINUTE"}, in SQL. */
  String timestamp(String ago) {
    return isPostgres() ? "now() - interval '" + ago + "'" : "UTC_TIMESTAMP(6) - INTERVAL " + ago;
  }

  /** Of new connections, in auto-commit mode. */
  DataSource dataSource() {
    return (DataSource)
        Proxy.newProxyInstance(
            InboxDatabase.class.getClassLoader(),
            new Class<?>[] {DataSource.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("getConnection")) {
                return opener.open();
              }
              throw new UnsupportedOperationException(method.getName());
            });
  }

  /** A new connection with a transaction. */
  Connection connect() throws SQLException {
    Connection connection = opener.open();
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
    if (isPostgres()) {
      return postgres.number(sql);
    }
    try (Connection connection = opener.open();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getLong(1);
    }
  }

  void execute(String... sql) throws SQLException {
    if (isPostgres()) {
      postgres.execute(sql);
      return;
    }
    try (Connection connection = opener.open();
        Statement statement = connection.createStatement()) {
      for (String one : sql) {
        statement.execute(one);
      }
    }
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
