package io.outboxinbox.agent.source.inspect;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Finding.Severity;
import java.sql.SQLException;
import org.junit.jupiter.api.Test;

/** Objects of the schema that an upgrade left half done, or that others may add to. */
abstract class AgentTablesContract extends AgentRightsContract {

  /** With them an event with a long key can never be parked, and all behind it waits. */
  @Test
  void refusesIndexesThatTakeNoLongKeysAndNamesTheFile() throws SQLException {
    source.execute(
        "CREATE INDEX outbox_backlog_event ON outbox_backlog (source, event_id)",
        "CREATE INDEX outbox_parked_lane ON outbox_parked (source, key, ordinal) WHERE state = 'waiting'");
    Finding problem = source.onlyProblem();
    assertThat(problem.severity()).isEqualTo(Severity.MISCONFIGURED);
    assertThat(problem.what())
        .isEqualTo(
            "indexes outbox_backlog_event, outbox_parked_lane of an earlier version are still in schema public: an event with a long id or key would hold up all others");
    applyAgentFile();
    assertThat(source.problems()).isEmpty();
  }

  @Test
  void warnsOfMissingAndInvalidIndexesAndNamesTheFile() throws SQLException {
    source.execute(
        "DROP INDEX outbox_parked_key",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'outbox_backlog_id'::regclass");
    Finding problem = source.onlyProblem();
    assertThat(problem.severity()).isEqualTo(Severity.WARNING);
    assertThat(problem.what())
        .isEqualTo(
            "indexes outbox_backlog_id, outbox_parked_key are missing or invalid in schema public: with many rows the agent's statements take long");
    applyAgentFile();
    assertThat(source.problems()).isEmpty();
  }

  private void applyAgentFile() throws SQLException {
    assertThat(source.onlyProblem().fix())
        .isEqualTo("apply schema/postgresql/04_agent.sql to schema public again");
    database.runScript("schema/postgresql/04_agent.sql");
  }

  @Test
  void warnsWhenEveryLoginMayCreateObjectsInTheOutboxsSchema() throws SQLException {
    source.execute("GRANT CREATE ON SCHEMA public TO PUBLIC");
    source.expectProblemThatItsFixMends(
        Severity.WARNING,
        "every login may create objects in schema public, which the outbox's functions search: its own could run with the rights of the table's owner, or of role preflight_agent which calls some of them");
  }

  @Test
  void warnsWhenTheOutboxsSchemaBelongsToAnother() throws SQLException {
    source.execute(
        "DO $$ BEGIN CREATE ROLE preflight_stranger; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        "ALTER SCHEMA public OWNER TO preflight_stranger");
    source.expectProblemThatItsFixMends(
        Severity.WARNING,
        "role preflight_stranger may create objects in schema public, which the outbox's functions search: its own could run with the rights of the table's owner, or of role preflight_agent which calls some of them");
  }

  /** Nothing is looked up there, so it is nobody's business. */
  @Test
  void trustsWhoeverMayCreateObjectsInTheSchemaOfAColumnsType() throws SQLException {
    source.execute(
        "DO $$ BEGIN CREATE ROLE preflight_stranger; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        "CREATE SCHEMA \"Types\" AUTHORIZATION preflight_stranger",
        "CREATE EXTENSION citext SCHEMA \"Types\"",
        "ALTER TABLE outbox_event ADD COLUMN tenant \"Types\".citext");
    assertThat(source.problems()).isEmpty();
  }
}
