package io.outboxinbox.agent.source.inspect;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.Sql;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The server's settings and the role we log in as. */
final class ServerPreflight {
  private static final int OLDEST_VERSION_NUM = 140000;

  /**
   * Room for the slot when it has to be made, and for its walsender when it does not stream yet.
   * Settings that a version does not have are NULL.
   */
  private static final String FACTS =
      """
      SELECT current_setting('server_version') AS version,
             current_setting('server_version_num')::int AS version_num,
             pg_is_in_recovery() AS in_recovery,
             current_setting('wal_level') AS wal_level,
             current_setting('server_encoding') AS encoding,
             current_setting('max_replication_slots')::int AS slots_max,
             (SELECT count(*) FROM pg_replication_slots) AS slots,
             current_setting('max_wal_senders')::int AS senders_max,
             (SELECT count(*) FROM pg_stat_replication) AS senders,
             (SELECT s.active FROM pg_replication_slots s WHERE s.slot_name = ?) AS slot_active,
             current_setting('max_slot_wal_keep_size') AS keep_size,
             current_setting('wal_sender_timeout') AS sender_timeout,
             nullif(current_setting('idle_replication_slot_timeout', true), '0') AS idle_timeout,
             current_user AS name,
             r.rolsuper AS is_superuser,
             r.rolreplication AS has_replication,
             EXISTS (SELECT FROM pg_roles m WHERE m.rolname = 'rds_replication') AS on_rds,
             EXISTS (SELECT FROM pg_roles m WHERE m.rolname = 'rds_replication'
                      AND pg_has_role(current_user, m.oid, 'MEMBER')) AS has_rds_replication,
             has_database_privilege(current_database(), 'CONNECT') AS may_connect,
             quote_ident(current_user) AS role,
             quote_ident(current_database()) AS database,
             quote_ident(?) AS schema,
             ARRAY(SELECT pg_catalog.format('%I.%I', ?, t.name)
                     FROM pg_catalog.unnest(?::text[]) WITH ORDINALITY AS t(name, place)
                    ORDER BY t.place) AS tables,
             '' AS "table",
             quote_ident(?) AS publication
        FROM pg_roles r
       WHERE r.rolname = current_user
      """;

  /**
   * What the query found.
   *
   * @param slotActive null when the slot does not exist
   * @param idleTimeout null when idle slots are not invalidated
   */
  record Facts(
      String version,
      int versionNum,
      boolean inRecovery,
      String walLevel,
      String encoding,
      int slots,
      int slotsMax,
      int senders,
      int sendersMax,
      @Nullable Boolean slotActive,
      String keepSize,
      String senderTimeout,
      @Nullable String idleTimeout,
      Role role,
      SqlNames names) {

    SqlNames namesOf(int table) {
      return names.withTable(names.tables().get(table));
    }

    boolean isTooOld() {
      return versionNum < OLDEST_VERSION_NUM;
    }

    /** Whether looking further would only find what follows from what was found. */
    boolean isUseless() {
      return isTooOld() || inRecovery;
    }
  }

  /** What the login role may do. */
  record Role(
      String name,
      boolean isSuperuser,
      boolean hasReplication,
      boolean onRds,
      boolean hasRdsReplication,
      boolean mayConnect) {

    boolean mayReplicate() {
      return isSuperuser || hasReplication || hasRdsReplication;
    }
  }

  private ServerPreflight() {}

  static Facts facts(Connection connection, SourceConfiguration config) throws SQLException {
    return CatalogQuery.one(
        connection,
        FACTS,
        Sql.as(Facts.class),
        config.slot(),
        config.schema(),
        config.schema(),
        config.outboxes().stream().map(OutboxTable::name).toArray(String[]::new),
        config.publication());
  }

  static List<Finding> check(Facts facts, SourceConfiguration config) {
    Finding.Collector findings = new Finding.Collector();
    if (facts.isTooOld()) {
      findings.misconfigured(
          "PostgreSQL %s is older than 14, the oldest version supported".formatted(facts.version()),
          "upgrade the server to PostgreSQL 14 or later");
      return findings.found();
    }
    checkServer(findings, facts, config);
    if (facts.inRecovery()) {
      // What it lacks, the primary may have.
      return findings.found();
    }
    checkCapacity(findings, facts, config);
    checkRole(findings, facts);
    checkSettings(findings, facts, config);
    return findings.found();
  }

  private static void checkServer(
      Finding.Collector findings, Facts facts, SourceConfiguration config) {
    if (facts.inRecovery()) {
      findings.misconfigured(
          "server %s:%d is in recovery (a standby): the agent writes its sign of life into the log, which only a primary can"
              .formatted(config.host(), config.port()),
          "set source.host to the primary");
    }
    if (!facts.walLevel().equals("logical")) {
      findings.misconfigured(
          "wal_level=%s, needed is logical".formatted(facts.walLevel()),
          facts.role().onRds()
              ? "set rds.logical_replication = 1 in the parameter group, then reboot the instance"
              : "ALTER SYSTEM SET wal_level = logical; /* then restart PostgreSQL */");
    } else if (!facts.inRecovery()) {
      findings.ok("PostgreSQL %s is a primary with wal_level=logical".formatted(facts.version()));
    }
  }

  private static void checkCapacity(
      Finding.Collector findings, Facts facts, SourceConfiguration config) {
    if (facts.slotActive() == null && facts.slots() >= facts.slotsMax()) {
      findings.misconfigured(
          "no room for slot %s: %d of %d replication slots taken (max_replication_slots)"
              .formatted(config.slot(), facts.slots(), facts.slotsMax()),
          "ALTER SYSTEM SET max_replication_slots = %d; /* then restart PostgreSQL, or drop a slot that nobody uses */"
              .formatted(facts.slotsMax() + 5));
    }
    if (!Boolean.TRUE.equals(facts.slotActive()) && facts.senders() >= facts.sendersMax()) {
      findings.misconfigured(
          "no walsender left for slot %s: %d of %d taken (max_wal_senders)"
              .formatted(config.slot(), facts.senders(), facts.sendersMax()),
          "ALTER SYSTEM SET max_wal_senders = %d; /* then restart PostgreSQL */"
              .formatted(facts.sendersMax() + 5));
    }
  }

  private static void checkRole(Finding.Collector findings, Facts facts) {
    Role role = facts.role();
    if (!role.mayReplicate()) {
      findings.misconfigured(
          "role %s may not replicate".formatted(role.name()),
          role.onRds()
              ? "GRANT rds_replication TO " + facts.names().role()
              : "ALTER ROLE " + facts.names().role() + " REPLICATION");
    }
    if (!role.mayConnect()) {
      findings.misconfigured(
          "role %s may not connect to database %s again"
              .formatted(role.name(), facts.names().database()),
          "GRANT CONNECT ON DATABASE %s TO %s"
              .formatted(facts.names().database(), facts.names().role()));
    }
    if (role.isSuperuser()) {
      findings.warning(
          "role %s is superuser: whoever gets its password owns the server".formatted(role.name()),
          "set source.username to a role of its own that has REPLICATION, USAGE on the schema and SELECT on the table");
    } else if (role.mayReplicate() && role.mayConnect()) {
      findings.ok("role %s may replicate".formatted(role.name()));
    }
  }

  private static void checkSettings(
      Finding.Collector findings, Facts facts, SourceConfiguration config) {
    if (facts.idleTimeout() != null) {
      findings.warning(
          "idle_replication_slot_timeout=%s: an agent that is down for longer loses slot %s and the events behind it"
              .formatted(facts.idleTimeout(), config.slot()),
          "ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT pg_reload_conf()");
    }
    if (facts.encoding().equals("SQL_ASCII")) {
      findings.warning(
          "database %s has encoding SQL_ASCII and takes bytes that are no UTF-8: one row with such bytes stops the stream, as the server cannot send it"
              .formatted(facts.names().database()),
          "let the table refuse such rows, as docs/RUNBOOK.md shows, or move to a database with encoding UTF8");
    }
    if (facts.senderTimeout().equals("0")) {
      findings.ok(
          "wal_sender_timeout=0: the server never ends the walsender of an agent that went away without a word");
    }
    findings.add(
        facts.keepSize().equals("-1")
            ? Finding.warning(
                "max_slot_wal_keep_size=-1: while the agent is down the log grows until the disk is full",
                "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_reload_conf(); /* below the free disk, and beyond it the slot is lost and needs 'reconcile' */")
            : Finding.ok(
                "max_slot_wal_keep_size=%s: slot %s is lost when the agent falls further behind"
                    .formatted(facts.keepSize(), config.slot())));
  }
}
