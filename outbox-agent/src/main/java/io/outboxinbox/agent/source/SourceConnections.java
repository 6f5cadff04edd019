package io.outboxinbox.agent.source;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.Properties;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGProperty;

/** Opens connections to the source database; the caller closes them. */
public final class SourceConnections {
  public static final String CONNECT_TIMEOUT_SECONDS = "5";

  /** Names of the agent's sessions begin with it. */
  static final String APPLICATION = "outbox-agent ";

  /** For a look that takes milliseconds. */
  public static final int ANSWER_TIMEOUT_SECONDS = 10;

  private final SourceConfiguration source;
  private final Marking marking;
  private final @Nullable SocketGroup group;

  public SourceConnections(SourceConfiguration source) {
    this(source, connection -> {}, null);
  }

  /**
   * Connections of which each is marked before it is used.
   *
   * @param group whoever has it can end them all, whatever waits on them; null for none
   */
  public SourceConnections(
      SourceConfiguration source, Marking marking, @Nullable SocketGroup group) {
    this.source = source;
    this.marking = marking;
    this.group = group;
  }

  /** What is done first on each new connection. */
  @FunctionalInterface
  public interface Marking {
    /**
     * May use the connection, and leaves it in auto-commit mode.
     *
     * @throws SQLException the connection is closed
     */
    void mark(Connection connection) throws SQLException;
  }

  /**
   * A session for SQL, in auto-commit mode, which waits for locks as {@link LockLimit} says.
   *
   * @param purpose shown in pg_stat_activity behind the agent's name
   * @param socketTimeoutSeconds how long one answer may take before the connection counts as dead;
   *     0 waits for ever
   * @throws SQLException as the server or the network says
   */
  public Connection open(String purpose, int socketTimeoutSeconds) throws SQLException {
    Properties properties = properties(purpose, LockLimit.setting(socketTimeoutSeconds));
    PGProperty.SOCKET_TIMEOUT.set(properties, socketTimeoutSeconds);
    return connect(properties);
  }

  /**
   * A session of the replication protocol, for the commands that only it has.
   *
   * @param purpose as in {@link #open}
   * @param socketTimeoutSeconds as in {@link #open}
   * @throws SQLException as the server or the network says
   */
  public Connection openReplication(String purpose, int socketTimeoutSeconds) throws SQLException {
    // Who creates a slot waits for each transaction that runs by then, as for a lock.
    Properties properties = properties(purpose, "0");
    PGProperty.SOCKET_TIMEOUT.set(properties, socketTimeoutSeconds);
    PGProperty.REPLICATION.set(properties, "database");
    PGProperty.PREFER_QUERY_MODE.set(properties, "simple");
    PGProperty.ASSUME_MIN_SERVER_VERSION.set(properties, "14");
    return connect(properties);
  }

  /**
   * Asks for an answer.
   *
   * @throws SQLException the connection is dead
   */
  public static void ensureAnswers(Connection connection) throws SQLException {
    Sql.run(connection, "SELECT 1");
  }

  /**
   * The options of a connection that Debezium opens, which depend on the server.
   *
   * @throws SQLException as the server or the network says
   */
  public String optionsOfReader() throws SQLException {
    try (Connection connection = open("reader", ANSWER_TIMEOUT_SECONDS)) {
      return SessionSettings.options(connection.getMetaData().getDatabaseMajorVersion());
    }
  }

  /** Every connection of ours is made here, so that none misses a setting. */
  private Connection connect(Properties properties) throws SQLException {
    Connection connection = DriverManager.getConnection(url(), properties);
    try {
      SessionSettings.complete(connection);
      marking.mark(connection);
      return connection;
    } catch (SQLException | RuntimeException e) {
      connection.close();
      throw e;
    }
  }

  private String url() {
    return "jdbc:postgresql://" + source.host() + ":" + source.port() + "/" + source.database();
  }

  private Properties properties(String purpose, String lockTimeout) {
    Properties properties = new Properties();
    PGProperty.USER.set(properties, source.username());
    PGProperty.PASSWORD.set(properties, source.resolvePassword());
    PGProperty.SSL_MODE.set(properties, sslMode(source.sslMode()));
    PGProperty.SSL_HOSTNAME_VERIFIER.set(properties, NamingHostnameVerifier.class.getName());
    if (source.sslRootCert() != null) {
      PGProperty.SSL_ROOT_CERT.set(properties, source.sslRootCert().toString());
    }
    PGProperty.CONNECT_TIMEOUT.set(properties, CONNECT_TIMEOUT_SECONDS);
    PGProperty.LOGIN_TIMEOUT.set(properties, CONNECT_TIMEOUT_SECONDS);
    PGProperty.TCP_KEEP_ALIVE.set(properties, true);
    PGProperty.SOCKET_FACTORY.set(properties, WakefulSocketFactory.class.getName());
    if (group != null) {
      PGProperty.SOCKET_FACTORY_ARG.set(properties, group.name());
    }
    PGProperty.OPTIONS.set(properties, SessionSettings.options(lockTimeout));
    // Details and the texts of batches hold values of rows, and messages end up in logs and pages.
    PGProperty.LOG_SERVER_ERROR_DETAIL.set(properties, false);
    PGProperty.APPLICATION_NAME.set(properties, APPLICATION + purpose);
    return properties;
  }

  public static String sslMode(SourceConfiguration.SslMode mode) {
    return mode.name().toLowerCase(java.util.Locale.ROOT).replace('_', '-');
  }
}
