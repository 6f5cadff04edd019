package io.outboxinbox.agent.source.inspect;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Finding.Severity;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration.Column;
import io.outboxinbox.agent.source.SourceConfiguration.ExistingRows;
import io.outboxinbox.agent.source.SourceConfiguration.Layout;
import io.outboxinbox.agent.source.SourceConfiguration.OnGap;
import io.outboxinbox.agent.source.SourceConfiguration.SslMode;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.Sources;
import io.outboxinbox.agent.source.TableConfiguration;
import io.outboxinbox.testkit.PostgresDatabase;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;

/**
 * A database with our schema and a role for the agent, as superuser sees it.
 *
 * @param database as the superuser
 * @param config how the agent would see it; tests change single values
 */
record PreflightSource(PostgresDatabase database, SourceConfiguration config) {
  private static final String ROLE = "preflight_agent";
  private static final String PASSWORD = "preflight-password";

  static PreflightSource of(
      String host, int port, String database, String superuser, String password)
      throws SQLException {
    PreflightSource source =
        new PreflightSource(
            new PostgresDatabase(host, port, database, superuser, password),
            new SourceConfiguration(
                host,
                port,
                database,
                ROLE,
                PASSWORD,
                null,
                SslMode.DISABLE,
                null,
                "public",
                "outbox_event",
                "outbox_publication",
                "preflight_slot",
                Layout.STANDARD,
                Map.of(),
                List.of(),
                null,
                ExistingRows.PUBLISH,
                OnGap.STOP,
                true,
                1 << 20));
    source.execute(
        "DO $$ BEGIN CREATE ROLE %s; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
            .formatted(ROLE),
        "ALTER ROLE %s LOGIN REPLICATION NOSUPERUSER PASSWORD '%s'".formatted(ROLE, PASSWORD));
    return source;
  }

  /** As schema/postgresql/05_roles.sql grants it to outbox_agent. */
  void grant() throws SQLException {
    execute(
        "GRANT SELECT ON outbox_event TO " + ROLE,
        messages("GRANT", "TO " + ROLE),
        messages("REVOKE", "FROM PUBLIC"),
        "GRANT SELECT, INSERT, UPDATE, DELETE ON outbox_agent_source, outbox_backlog, outbox_parked,"
            + " outbox_parked_edit, outbox_reconciliation, outbox_phantom, outbox_agent_position TO "
            + ROLE);
  }

  /** Gives or takes the right to write logical messages, whatever functions the version has. */
  static String messages(String verb, String whom) {
    return "DO $do$ DECLARE emit regprocedure; BEGIN FOR emit IN SELECT oid FROM pg_proc"
        + " WHERE proname = 'pg_logical_emit_message' LOOP EXECUTE '%s EXECUTE ON FUNCTION ' || emit || ' %s'; END LOOP; END $do$"
            .formatted(verb, whom);
  }

  PreflightSource with(
      Layout layout, String table, Map<Column, String> columns, List<String> extraColumns) {
    return new PreflightSource(
        database,
        new SourceConfiguration(
            config.host(),
            config.port(),
            config.database(),
            config.username(),
            config.password(),
            null,
            config.sslMode(),
            null,
            config.schema(),
            table,
            config.publication(),
            config.slot(),
            layout,
            columns,
            extraColumns,
            null,
            config.existingRows(),
            config.onGap(),
            config.failoverSlot(),
            config.maxQueueBytes()));
  }

  PreflightSource withTables(TableConfiguration... tables) {
    return new PreflightSource(database, Sources.withTables(config, tables));
  }

  PreflightSource withTable(String table) {
    return with(config.layout(), table, config.columns(), config.extraColumns());
  }

  PreflightSource withExtraColumns(String... extraColumns) {
    return with(config.layout(), config.table(), config.columns(), List.of(extraColumns));
  }

  PreflightSource withServer(String host, int port, String database, SslMode sslMode) {
    return withLogin(host, port, database, sslMode, PASSWORD);
  }

  PreflightSource withPassword(String password) {
    return withLogin(config.host(), config.port(), config.database(), config.sslMode(), password);
  }

  private PreflightSource withLogin(
      String host, int port, String name, SslMode sslMode, String password) {
    return new PreflightSource(
        database,
        new SourceConfiguration(
            host,
            port,
            name,
            config.username(),
            password,
            null,
            sslMode,
            null,
            config.schema(),
            config.table(),
            config.publication(),
            config.slot(),
            config.layout(),
            config.columns(),
            config.extraColumns(),
            config.tables(),
            config.existingRows(),
            config.onGap(),
            config.failoverSlot(),
            config.maxQueueBytes()));
  }

  Connection superuser() throws SQLException {
    return database.connect();
  }

  Connection agent() throws SQLException {
    return new SourceConnections(config).open("test", 5);
  }

  void execute(String... statements) throws SQLException {
    database.execute(statements);
  }

  /** What is not as it should be, but for the limit that servers of tests do not have. */
  List<Finding> problems() {
    return SourcePreflight.check(config, true).stream()
        .filter(finding -> finding.severity() != Severity.OK)
        .filter(finding -> !finding.what().startsWith("max_slot_wal_keep_size=-1"))
        .toList();
  }

  Finding onlyProblem() {
    List<Finding> problems = problems();
    assertThat(problems).hasSize(1);
    return problems.get(0);
  }

  /** Runs the printed SQL statement by statement, as psql does, and leaves out remarks. */
  void applyFix(Finding finding) throws SQLException {
    for (String sql : finding.fix().replaceAll("/\\*.*?\\*/", "").split(";", -1)) {
      if (!sql.isBlank()) {
        execute(sql);
      }
    }
  }

  void expectProblemThatItsFixMends(Severity severity, String what) throws SQLException {
    Finding problem = onlyProblem();
    assertThat(problem.what()).isEqualTo(what);
    assertThat(problem.severity()).isEqualTo(severity);
    applyFix(problem);
    assertThat(problems()).isEmpty();
  }
}
