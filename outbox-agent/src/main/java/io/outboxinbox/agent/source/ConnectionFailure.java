package io.outboxinbox.agent.source;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.source.SourceConfiguration.SslMode;
import java.io.FileNotFoundException;
import java.net.ConnectException;
import java.net.NoRouteToHostException;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.nio.file.NoSuchFileException;
import java.security.GeneralSecurityException;
import java.sql.SQLException;
import java.util.Optional;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/** Says why no connection came about, from SQLState and exception types. */
public final class ConnectionFailure {
  private ConnectionFailure() {}

  /** PostgreSQL takes all that we send while connecting; who refuses it is something in between. */
  private static final String PROTOCOL_VIOLATION = "08P01";

  /**
   * By class of SQLState: 28 authorization, 3D no such database, 42 no right or no such table. And
   * a pooler does not become a server by waiting.
   */
  public static boolean isRefusal(SQLException failure) {
    String state = failure.getSQLState();
    return state != null
        && (state.startsWith("28")
            || state.startsWith("3D")
            || state.startsWith("42")
            || state.equals(PROTOCOL_VIOLATION));
  }

  public static boolean isOfPooler(SQLException failure) {
    return PROTOCOL_VIOLATION.equals(failure.getSQLState());
  }

  /**
   * Why there is no session of the replication protocol although there is one for SQL; empty when
   * that passes, or is said by others: no walsender left, no right to replicate.
   */
  public static Optional<Finding> explainReplication(
      SQLException failure, SourceConfiguration config) {
    String state = failure.getSQLState() == null ? "" : failure.getSQLState();
    return switch (state) {
      // A syntax error: the word for a replication session was dropped on the way.
      case PROTOCOL_VIOLATION, "42601" -> Optional.of(pooler(failure, config));
      case "28000" -> Optional.of(explain(failure, config));
      default -> Optional.empty();
    };
  }

  private static Finding pooler(SQLException failure, SourceConfiguration config) {
    return Finding.misconfigured(
        "%s does not pass on what the agent sends to PostgreSQL (%s): a connection pooler such as PgBouncer answers there, and waiting will not help"
            .formatted(at(config), failure.getMessage()),
        "set source.host and source.port to PostgreSQL itself; the agent needs replication and sessions of its own, and holds a dozen connections at most");
  }

  public static Finding explain(SQLException failure, SourceConfiguration config) {
    @Nullable Finding network = networkFault(failure, config);
    if (network != null) {
      return network;
    }
    String role = Identifiers.quoted(config.username());
    String database = Identifiers.quoted(config.database());
    String state = failure.getSQLState() == null ? "" : failure.getSQLState();
    return switch (state) {
      case "3D000" ->
          Finding.misconfigured(
              "database %s does not exist on %s".formatted(config.database(), at(config)),
              "CREATE DATABASE " + database + "; /* or correct source.database */");
      case "28P01" ->
          Finding.misconfigured(
              "%s refused the password of role %s, or has no such role"
                  .formatted(at(config), config.username()),
              "correct source.password or source.passwordFile, or: ALTER ROLE %s PASSWORD '...'"
                  .formatted(role));
      case "28000" ->
          Finding.misconfigured(
              "%s does not let role %s in to database %s from here: %s"
                  .formatted(
                      at(config), config.username(), config.database(), failure.getMessage()),
              "add to pg_hba.conf: '%s %s %s <address of the agent> scram-sha-256', then SELECT pg_reload_conf(); the role must have LOGIN"
                  .formatted(
                      config.sslMode() == SslMode.DISABLE ? "host" : "hostssl",
                      config.database(),
                      config.username()));
      case "42501" ->
          Finding.misconfigured(
              "role %s may not connect to database %s"
                  .formatted(config.username(), config.database()),
              "GRANT CONNECT ON DATABASE %s TO %s".formatted(database, role));
      case "53300" ->
          Finding.misconfigured(
              "%s has no connection left for role %s".formatted(at(config), config.username()),
              "end sessions nobody needs, or raise max_connections or the role's CONNECTION LIMIT");
      case "57P03" ->
          Finding.misconfigured(
              "%s is starting up or shutting down".formatted(at(config)), "wait until it is up");
      case "08004" -> refused(config);
      case PROTOCOL_VIOLATION -> pooler(failure, config);
      default ->
          Finding.misconfigured(
              "cannot connect to %s: %s (SQLState %s)"
                  .formatted(at(config), failure.getMessage(), state.isEmpty() ? "none" : state),
              "see the message; check source.host, source.port and the server's log");
    };
  }

  /** The driver gives up before the server decides: it wanted SSL, or had no password to send. */
  private static Finding refused(SourceConfiguration config) {
    if (config.sslMode() == SslMode.DISABLE) {
      return Finding.misconfigured(
          "%s asks for a password and source has an empty one".formatted(at(config)),
          "set source.password or source.passwordFile");
    }
    return Finding.misconfigured(
        "%s does not offer SSL, source.sslMode=%s needs it".formatted(at(config), config.sslMode()),
        "ALTER SYSTEM SET ssl = on; SELECT pg_reload_conf(); /* needs server.crt and server.key; or, on a network you trust, source.sslMode: DISABLE */");
  }

  private static @Nullable Finding networkFault(SQLException failure, SourceConfiguration config) {
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      if (cause instanceof UnknownHostException) {
        return Finding.misconfigured(
            "host %s has no address".formatted(config.host()), "correct source.host or DNS");
      }
      if (cause instanceof SocketTimeoutException || cause instanceof NoRouteToHostException) {
        return Finding.misconfigured(
            "%s did not answer within 5 s".formatted(at(config)),
            "check source.host and the firewall between agent and server");
      }
      if (cause instanceof ConnectException) {
        return Finding.misconfigured(
            "nothing listens on %s".formatted(at(config)),
            "start PostgreSQL, correct source.port, or add the address to listen_addresses");
      }
      if (cause instanceof FileNotFoundException || cause instanceof NoSuchFileException) {
        return Finding.misconfigured(
            "a file named in source cannot be read: " + cause.getMessage(),
            "correct source.sslRootCert, or put the file there for the agent's user to read");
      }
      if (cause instanceof NamingHostnameVerifier.NameMismatchException mismatch) {
        return Finding.misconfigured(
            "the certificate of %s is not for %s but for %s"
                .formatted(at(config), config.host(), String.join(", ", mismatch.names())),
            "set source.host to one of its names, or give the server a certificate for this one");
      }
      if (cause instanceof SSLException || cause instanceof GeneralSecurityException) {
        return Finding.misconfigured(
            "the certificate of %s does not pass source.sslMode=%s: %s"
                .formatted(at(config), config.sslMode(), cause.getMessage()),
            "set source.sslRootCert to the authority that signed it, and source.host to a name in it");
      }
    }
    return null;
  }

  private static String at(SourceConfiguration config) {
    return config.host() + ":" + config.port();
  }
}
