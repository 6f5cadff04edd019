package io.outboxinbox.agent.capture;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.Properties;
import org.postgresql.PGProperty;

/** Opens connections to the source database; the caller closes them. */
public final class SourceConnections {
  static final String CONNECT_TIMEOUT_SECONDS = "5";

  private final SourceConfiguration source;

  public SourceConnections(SourceConfiguration source) {
    this.source = source;
  }

  /**
   * A session for SQL, in auto-commit mode.
   *
   * @param purpose shown in pg_stat_activity behind the agent's name
   * @param socketTimeoutSeconds how long one answer may take before the connection counts as dead;
   *     0 waits for ever
   * @throws SQLException as the server or the network says
   */
  public Connection open(String purpose, int socketTimeoutSeconds) throws SQLException {
    Properties properties = properties(purpose);
    PGProperty.SOCKET_TIMEOUT.set(properties, socketTimeoutSeconds);
    return DriverManager.getConnection(url(), properties);
  }

  /**
   * A session of the replication protocol, for the commands that only it has.
   *
   * @throws SQLException as the server or the network says
   */
  public Connection openReplication(String purpose) throws SQLException {
    Properties properties = properties(purpose);
    PGProperty.REPLICATION.set(properties, "database");
    PGProperty.PREFER_QUERY_MODE.set(properties, "simple");
    PGProperty.ASSUME_MIN_SERVER_VERSION.set(properties, "14");
    return DriverManager.getConnection(url(), properties);
  }

  private String url() {
    return "jdbc:postgresql://" + source.host() + ":" + source.port() + "/" + source.database();
  }

  private Properties properties(String purpose) {
    Properties properties = new Properties();
    PGProperty.USER.set(properties, source.username());
    PGProperty.PASSWORD.set(properties, source.resolvePassword());
    PGProperty.SSL_MODE.set(properties, sslMode(source.sslMode()));
    if (source.sslRootCert() != null) {
      PGProperty.SSL_ROOT_CERT.set(properties, source.sslRootCert().toString());
    }
    PGProperty.CONNECT_TIMEOUT.set(properties, CONNECT_TIMEOUT_SECONDS);
    PGProperty.LOGIN_TIMEOUT.set(properties, CONNECT_TIMEOUT_SECONDS);
    PGProperty.TCP_KEEP_ALIVE.set(properties, true);
    PGProperty.SOCKET_FACTORY.set(properties, WakefulSocketFactory.class.getName());
    // Details and the texts of batches hold values of rows, and messages end up in logs and pages.
    PGProperty.LOG_SERVER_ERROR_DETAIL.set(properties, false);
    PGProperty.APPLICATION_NAME.set(properties, "outbox-agent " + purpose);
    return properties;
  }

  static String sslMode(SourceConfiguration.SslMode mode) {
    return mode.name().toLowerCase(java.util.Locale.ROOT).replace('_', '-');
  }
}
