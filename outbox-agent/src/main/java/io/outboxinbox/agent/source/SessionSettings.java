package io.outboxinbox.agent.source;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import org.postgresql.util.PSQLState;

/**
 * What the agent's sessions rest on. Whoever owns database or role may have given them other
 * defaults, with ALTER DATABASE or ALTER ROLE; a setting sent while connecting wins over both.
 */
final class SessionSettings {
  private static final int IDLE_SESSION_TIMEOUT_SINCE = 14;
  private static final int TRANSACTION_TIMEOUT_SINCE = 17;

  /**
   * What cannot be sent while connecting: settings the server may be too old to know, and a commit
   * that must be durable at least here. A parked event is, before the position moves past it; a
   * stronger wish than that is left as it is.
   */
  private static final String AFTER_CONNECTING =
      """
      SELECT current_setting('row_security') AS row_security,
             (SELECT count(set_config(later.name, '0', false))
                FROM (VALUES ('idle_session_timeout'), ('transaction_timeout')) AS later(name)
               WHERE current_setting(later.name, true) IS NOT NULL),
             CASE WHEN current_setting('synchronous_commit') = 'off'
                  THEN set_config('synchronous_commit', 'local', false) END
      """;

  private SessionSettings() {}

  /**
   * For the driver's {@code options}, as far as every server knows the names.
   *
   * @param lockTimeout how long a lock is waited for; 0 for ever
   */
  static String options(String lockTimeout) {
    Map<String, String> settings = forAll();
    settings.put("lock_timeout", lockTimeout);
    return options(settings);
  }

  /** For connections others open for us, which cannot be completed. */
  static String options(int serverMajor) {
    Map<String, String> settings = forAll();
    if (serverMajor >= IDLE_SESSION_TIMEOUT_SINCE) {
      settings.put("idle_session_timeout", "0");
    }
    if (serverMajor >= TRANSACTION_TIMEOUT_SINCE) {
      // Ends a walsender as well, in the middle of a transaction that takes long to send.
      settings.put("transaction_timeout", "0");
    }
    return options(settings);
  }

  private static Map<String, String> forAll() {
    Map<String, String> settings = new LinkedHashMap<>();
    // Waits are bounded here, by whoever waits.
    settings.put("statement_timeout", "0");
    settings.put("lock_timeout", "0");
    settings.put("idle_in_transaction_session_timeout", "0");
    settings.put("default_transaction_isolation", "read committed");
    settings.put("default_transaction_read_only", "off");
    settings.put("default_transaction_deferrable", "off");
    // Nothing else is looked for without its schema, not even an operator: a better match of types
    // would be taken before the server's own, whoever made it.
    settings.put("search_path", "pg_catalog");
    // A policy that would hide rows makes a query fail instead: a row hidden is an event lost.
    settings.put("row_security", "off");
    // How values are written, by walsenders too; driver and Debezium read no other way.
    settings.put("bytea_output", "hex");
    settings.put("IntervalStyle", "postgres");
    settings.put("standard_conforming_strings", "on");
    settings.put("array_nulls", "on");
    settings.put("transform_null_equals", "off");
    settings.put("quote_all_identifiers", "off");
    return settings;
  }

  private static String options(Map<String, String> settings) {
    return settings.entrySet().stream()
        .map(setting -> "-c " + setting.getKey() + "=" + escaped(setting.getValue()))
        .collect(Collectors.joining(" "));
  }

  /** White space would end the value. */
  private static String escaped(String value) {
    return value.replaceAll("[\\\\\\s]", "\\\\$0");
  }

  /**
   * Sets what {@link #options(String)} could not, and makes sure that those arrived.
   *
   * @throws SQLException of state 08P01 when they did not: what answers is not PostgreSQL itself
   */
  static void complete(Connection connection) throws SQLException {
    String rowSecurity =
        CatalogQuery.one(connection, AFTER_CONNECTING, row -> row.getString("row_security"));
    if (!rowSecurity.equals("off")) {
      throw new SQLException(
          "settings sent while connecting did not reach the server",
          PSQLState.PROTOCOL_VIOLATION.getState());
    }
  }
}
