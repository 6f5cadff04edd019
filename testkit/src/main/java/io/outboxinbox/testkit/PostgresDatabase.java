package io.outboxinbox.testkit;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A database of its own for a test, made by {@link PostgresExtension#newDatabase()}.
 *
 * <p>Any thread may use it; the extension drops it.
 *
 * @param host where the server listens
 * @param port where the server listens
 * @param name of the database
 * @param user a superuser
 * @param password the superuser's
 */
public record PostgresDatabase(String host, int port, String name, String user, String password) {

  /** Without user and password. */
  public String jdbcUrl() {
    return "jdbc:postgresql://" + host + ":" + port + "/" + name;
  }

  /** A new connection as superuser, which the caller closes. */
  public Connection connect() throws SQLException {
    return connectAs(user, password);
  }

  /** A new connection as another role, which the caller closes. */
  public Connection connectAs(String role, String rolePassword) throws SQLException {
    return DriverManager.getConnection(jdbcUrl(), role, rolePassword);
  }

  /** Runs statements as superuser, each in a transaction of its own. */
  public void execute(String... statements) throws SQLException {
    try {
      use(
          connection -> {
            try (Statement statement = connection.createStatement()) {
              for (String sql : statements) {
                statement.execute(sql);
              }
            }
            return statements;
          });
    } finally {
      KeptSessions.noteLogins(statements);
    }
  }

  /**
   * The first value of a query as superuser.
   *
   * @throws AssertionError there is no row
   * @throws SQLException as the server says
   */
  public @Nullable String query(String sql) throws SQLException {
    List<@Nullable String> values = list(sql);
    if (values.isEmpty()) {
      throw new AssertionError("no row from: " + sql);
    }
    return values.get(0);
  }

  /** The first value of a query as superuser, as a number; 0 for NULL. */
  public long number(String sql) throws SQLException {
    @Nullable String value = query(sql);
    return value == null ? 0 : Long.parseLong(value);
  }

  /** The first column of a query as superuser. */
  public List<@Nullable String> list(String sql) throws SQLException {
    return use(
        connection -> {
          List<@Nullable String> values = new ArrayList<>();
          try (Statement statement = connection.createStatement();
              ResultSet rows = statement.executeQuery(sql)) {
            while (rows.next()) {
              values.add(rows.getString(1));
            }
          }
          return values;
        });
  }

  private <T> T use(KeptSessions.Use<T> use) throws SQLException {
    return KeptSessions.use(jdbcUrl(), user, password, use);
  }

  /**
   * Runs an SQL file from the class path as superuser, in one transaction.
   *
   * @param resource such as {@code schema/postgresql/01_outbox.sql}
   * @throws IllegalArgumentException there is no such file
   */
  public void runScript(String resource) throws SQLException {
    execute(read(resource));
  }

  private static String read(String resource) {
    ClassLoader context = Thread.currentThread().getContextClassLoader();
    ClassLoader loader = context == null ? PostgresDatabase.class.getClassLoader() : context;
    try (InputStream in = loader.getResourceAsStream(resource)) {
      if (in == null) {
        throw new IllegalArgumentException("no " + resource + " on the class path");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + resource, e);
    }
  }
}
