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
                  THEN set_config('synchronous_commit', 'local', false) END,
             set_config('search_path', (%s), false)
      """;

  /**
   * Where operators of the types of the outbox's columns are, such as those of an extension.
   * Nothing else is looked for without its schema, so no other schema is searched: a better match
   * of types would be taken before the server's own, whoever made it.
   */
  private static final String SEARCH_PATH =
      """
      WITH RECURSIVE types AS (
        SELECT t.typnamespace, t.typbasetype
          FROM pg_class c
          JOIN pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          JOIN pg_type t ON t.oid = a.atttypid
         WHERE n.nspname = ? AND c.relname = ?
         UNION
        SELECT t.typnamespace, t.typbasetype
          FROM types d JOIN pg_type t ON t.oid = d.typbasetype
      )
      SELECT pg_catalog.concat_ws(', ', 'pg_catalog', string_agg(schema, ', '))
        FROM (SELECT DISTINCT pg_catalog.quote_ident(n.nspname::text) AS schema
                FROM types JOIN pg_namespace n ON n.oid = types.typnamespace
               WHERE n.nspname <> 'pg_catalog' ORDER BY 1) AS beside
      """;

  private SessionSettings() {}

  /** For the driver's {@code options}, as far as every server knows the names. */
  static String options() {
    return options(forAll());
  }

  /**
   * For connections others open for us, which cannot be completed.
   *
   * @param searchPath of a session that is complete
   */
  static String options(int serverMajor, String searchPath) {
    Map<String, String> settings = forAll();
    settings.put("search_path", searchPath);
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
   * Sets what {@link #options()} could not, and makes sure that those arrived.
   *
   * @throws SQLException of state 08P01 when they did not: what answers is not PostgreSQL itself
   */
  static void complete(Connection connection, SourceConfiguration source) throws SQLException {
    String rowSecurity =
        CatalogQuery.one(
            connection,
            AFTER_CONNECTING.formatted(SEARCH_PATH),
            row -> row.getString("row_security"),
            source.schema(),
            source.table());
    if (!rowSecurity.equals("off")) {
      throw new SQLException(
          "settings sent while connecting did not reach the server",
          PSQLState.PROTOCOL_VIOLATION.getState());
    }
  }
}
