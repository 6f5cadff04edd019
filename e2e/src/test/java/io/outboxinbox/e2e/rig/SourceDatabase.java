package io.outboxinbox.e2e.rig;

import io.outboxinbox.testkit.PostgresServer;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Properties;
import org.jspecify.annotations.Nullable;

/** A database with the outbox in it, as the schema's files make it. Thread-safe. */
public final class SourceDatabase {
  static final String AGENT = "outbox_agent";
  static final String AGENT_PASSWORD = "agent-secret";
  static final String SLOT = "outbox_agent";
  static final String PUBLICATION = "outbox_publication";

  private static final String WRITER = "ledger_writer";
  private static final String WRITER_PASSWORD = "writer-secret";

  private static final List<String> SCRIPTS =
      List.of(
          "01_outbox.sql",
          "02_partitions.sql",
          "03_publication.sql",
          "04_agent.sql",
          "05_roles.sql");

  private static final String LOGINS =
      """
      ALTER ROLE outbox_agent PASSWORD 'agent-secret';
      DO $$
      BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ledger_writer') THEN
          CREATE ROLE ledger_writer LOGIN PASSWORD 'writer-secret' IN ROLE outbox_writer;
        END IF;
      END
      $$;
      """;

  private final PostgresServer server;
  private final String name;

  private SourceDatabase(PostgresServer server, String name) {
    this.server = server;
    this.name = name;
  }

  /** Creates a database and runs the schema's files in it. */
  public static SourceDatabase create(PostgresServer server) {
    try {
      SourceDatabase database = new SourceDatabase(server, server.createDatabase("ledger"));
      for (String script : SCRIPTS) {
        database.execute(read("/schema/postgresql/" + script));
      }
      database.execute(LOGINS);
      return database;
    } catch (SQLException e) {
      throw new IllegalStateException("cannot create the source database", e);
    }
  }

  /** Adds the tables of a consumer, so that it can handle messages and write events here. */
  public SourceDatabase withInbox() {
    try {
      execute(read("/schema/postgresql/10_inbox.sql"));
      execute("CREATE TABLE effect (event_id text NOT NULL, record_key text NOT NULL)");
      return this;
    } catch (SQLException e) {
      throw new IllegalStateException("cannot add the inbox", e);
    }
  }

  /** As superuser, name and password included. */
  String jdbcUrl() {
    return server.jdbcUrl(name)
        + "?user="
        + server.superuser()
        + "&password="
        + server.superuserPassword();
  }

  private static String read(String resource) {
    try (InputStream stream = SourceDatabase.class.getResourceAsStream(resource)) {
      if (stream == null) {
        throw new IllegalStateException(resource + " is not on the class path");
      }
      return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + resource, e);
    }
  }

  public String name() {
    return name;
  }

  public int port() {
    return server.port();
  }

  /** A new connection as an application has it, with no right but INSERT; the caller closes it. */
  Connection connect() throws SQLException {
    Properties properties = new Properties();
    properties.put("user", WRITER);
    properties.put("password", WRITER_PASSWORD);
    properties.put("reWriteBatchedInserts", "true");
    return DriverManager.getConnection(server.jdbcUrl(name), properties);
  }

  /** A new connection as superuser; the caller closes it. */
  public Connection connectAsSuperuser() throws SQLException {
    return server.connect(name);
  }

  /** Runs statements as superuser. */
  public void execute(String sql) throws SQLException {
    try (Connection connection = connectAsSuperuser();
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  /** The first column of the first row as text; null when there is no row or the value is null. */
  public @Nullable String query(String sql) throws SQLException {
    try (Connection connection = connectAsSuperuser();
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      return rows.next() ? rows.getString(1) : null;
    }
  }

  /**
   * Ends the session that streams the slot.
   *
   * @return whether there was one
   */
  public boolean terminateWalsender() throws SQLException {
    return query(
            """
            SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots
            WHERE slot_name = 'outbox_agent' AND active_pid IS NOT NULL
            """)
        != null;
  }

  /** How much log the server must keep for the slot, in bytes. */
  public long retainedBytes() throws SQLException {
    String bytes =
        query(
            """
            SELECT pg_current_wal_lsn() - restart_lsn FROM pg_replication_slots
            WHERE slot_name = 'outbox_agent'
            """);
    if (bytes == null) {
      throw new IllegalStateException("the slot does not exist");
    }
    return Long.parseLong(bytes);
  }

  /** Whether the server or the way to it failed, as opposed to a statement it refused. */
  static boolean isConnectionLost(SQLException failure) {
    String state = failure.getSQLState();
    // 08: connection; 57P01 to 57P03: the server shuts down, crashed, or starts up; 53100: its disk
    // is full; 58: it cannot read or write a file.
    return state != null
        && (state.startsWith("08")
            || state.startsWith("57P0")
            || state.startsWith("58")
            || state.equals("53100"));
  }
}
