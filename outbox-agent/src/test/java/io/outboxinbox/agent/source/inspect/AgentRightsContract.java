package io.outboxinbox.agent.source.inspect;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Finding.Severity;
import io.outboxinbox.agent.source.AgentTables;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What the agent may do, and its own tables: each right missing once, each table too old once. */
abstract class AgentRightsContract {
  PostgresDatabase database;
  PreflightSource source;

  abstract PostgresExtension postgres();

  @BeforeEach
  void applySchema() throws SQLException {
    database = postgres().newDatabase("01_outbox", "02_partitions", "03_publication", "04_agent");
    source =
        PreflightSource.of(
            database.host(),
            database.port(),
            database.name(),
            database.user(),
            database.password());
    source.grant();
  }

  @Test
  void findsMissingPrivileges() throws SQLException {
    source.execute("REVOKE SELECT ON outbox_event FROM preflight_agent");
    source.expectProblemThatItsFixMends(
        Severity.MISCONFIGURED,
        "role preflight_agent may not read table public.outbox_event: rows older than the slot, and what has to be healed, come from there");

    source.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC");
    source.expectProblemThatItsFixMends(
        Severity.MISCONFIGURED, "role preflight_agent may not use schema public");

    source.execute("REVOKE INSERT, UPDATE ON outbox_agent_source FROM preflight_agent");
    source.expectProblemThatItsFixMends(
        Severity.MISCONFIGURED,
        "role preflight_agent lacks INSERT, UPDATE on the agent's table public.outbox_agent_source");

    source.execute("ALTER ROLE preflight_agent NOREPLICATION");
    source.expectProblemThatItsFixMends(
        Severity.MISCONFIGURED, "role preflight_agent may not replicate");
  }

  @Test
  void findsEachRightTheAgentUsesOnItsTablesWhenItIsMissing() throws SQLException {
    Map<String, List<String>> needed = new HashMap<>(AgentTables.PRIVILEGES);
    needed.putAll(AgentTables.OF_POSITIONS);
    for (var table : needed.entrySet()) {
      for (String right : table.getValue()) {
        source.execute("REVOKE %s ON %s FROM preflight_agent".formatted(right, table.getKey()));
        source.expectProblemThatItsFixMends(
            Severity.MISCONFIGURED,
            "role preflight_agent lacks %s on the agent's table public.%s"
                .formatted(right, table.getKey()));
      }
    }
  }

  @Test
  void warnsWhenEveryLoginMayWriteMessagesIntoTheLog() throws SQLException {
    source.execute(PreflightSource.messages("GRANT", "TO PUBLIC"));
    source.expectProblemThatItsFixMends(
        Severity.WARNING,
        "every login of database %s may write logical messages (pg_logical_emit_message), and one that is larger than the agent's heap stops the agent"
            .formatted(source.config().database()));
  }

  @Test
  void findsThatTheAgentMayNotWriteItsSignOfLife() throws SQLException {
    source.execute(PreflightSource.messages("REVOKE", "FROM preflight_agent"));
    source.expectProblemThatItsFixMends(
        Severity.MISCONFIGURED, "role preflight_agent may not write its sign of life into the log");
  }

  @Test
  void findsAgentTableOfAnEarlierVersion() throws SQLException {
    source.execute(
        "ALTER TABLE outbox_parked DROP COLUMN destination_rule, DROP COLUMN source_table");
    source.execute("ALTER TABLE outbox_agent_source DROP COLUMN paused_at");
    assertThat(source.problems())
        .extracting(Finding::what)
        .anySatisfy(
            what ->
                assertThat(what)
                    .contains("outbox_parked was made by an earlier")
                    .endsWith("lacks destination_rule, source_table"))
        .anySatisfy(what -> assertThat(what).contains("lacks paused_at"))
        .hasSize(2);
  }

  @Test
  void findsAgentTableThatLacksAColumn() throws SQLException {
    source.execute("ALTER TABLE outbox_agent_source DROP COLUMN paused_by");

    Finding problem = source.onlyProblem();

    assertThat(problem.severity()).isEqualTo(Severity.MISCONFIGURED);
    assertThat(problem.what())
        .contains("outbox_agent_source was made by an earlier version and lacks paused_by");
    assertThat(problem.fix()).contains("04_agent.sql");
  }

  @Test
  void findsMissingAgentTable() throws SQLException {
    source.execute("DROP TABLE outbox_backlog");

    Finding problem = source.onlyProblem();
    assertThat(problem.what()).isEqualTo("the agent's table public.outbox_backlog does not exist");
    assertThat(problem.fix()).isEqualTo("apply schema/postgresql to schema public");
  }

  @Test
  void needsATableOfPositionsOnlyWhereTheBrokerKeepsNone() throws SQLException {
    source.execute("DROP TABLE outbox_agent_position");

    assertThat(source.onlyProblem().what())
        .isEqualTo("the agent's table public.outbox_agent_position does not exist");
    assertThat(SourcePreflight.check(source.config(), false))
        .extracting(Finding::what)
        .noneMatch(what -> what.contains("outbox_agent_position"));
  }

  @Test
  void warnsAboutSuperuser() throws SQLException {
    source.execute("ALTER ROLE preflight_agent SUPERUSER");

    assertThat(source.onlyProblem().what())
        .isEqualTo("role preflight_agent is superuser: whoever gets its password owns the server");
  }
}
