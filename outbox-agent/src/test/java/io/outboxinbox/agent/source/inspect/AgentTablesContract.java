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
        "every login may create objects in schema public, which the outbox's functions search: what it creates could run with the rights of the table's owner, or of role preflight_agent which calls some of them");
  }

  @Test
  void warnsWhenTheOutboxsSchemaBelongsToAnother() throws SQLException {
    source.execute(
        "DO $$ BEGIN CREATE ROLE preflight_stranger; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        "ALTER SCHEMA public OWNER TO preflight_stranger");
    source.expectProblemThatItsFixMends(
        Severity.WARNING,
        "role preflight_stranger may create objects in schema public, which the outbox's functions search: what it creates could run with the rights of the table's owner, or of role preflight_agent which calls some of them");
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

  /** Only the id is compared by the operators of its type; that type may be beneath domains. */
  @Test
  void findsThatTheSchemaOfTheIdsTypeMayNotBeUsed() throws SQLException {
    source.execute(
        "CREATE SCHEMA \"Types\"",
        "CREATE EXTENSION citext SCHEMA \"Types\"",
        "CREATE DOMAIN \"Types\".word AS \"Types\".citext",
        "CREATE DOMAIN \"Types\".name AS \"Types\".word",
        "CREATE TYPE \"Types\".kind AS ENUM ('placed')",
        "CREATE TABLE odd (LIKE outbox_event INCLUDING DEFAULTS, PRIMARY KEY (id))",
        "ALTER TABLE odd ALTER COLUMN aggregate_id TYPE \"Types\".name",
        "ALTER TABLE odd ALTER COLUMN event_type TYPE \"Types\".kind USING NULL",
        "GRANT SELECT ON odd TO preflight_agent",
        "ALTER PUBLICATION outbox_publication SET TABLE odd");
    PreflightSource odd = source.withTable("odd");
    assertThat(odd.problems()).isEmpty();
    source.execute(
        "ALTER TABLE odd ALTER COLUMN id DROP DEFAULT",
        "ALTER TABLE odd ALTER COLUMN id TYPE \"Types\".name");
    odd.expectProblemThatItsFixMends(
        Severity.MISCONFIGURED,
        "role preflight_agent may not use schema \"Types\", where the type \"Types\".name of column id is: rows could not be found by their id");
  }

  /** Also where the statements of several findings run one behind the other, as printed. */
  @Test
  void anEnumThatTakesADomainsPlaceKeepsItsDefaultAndThatNothingIsNull() throws SQLException {
    source.execute(
        "CREATE TYPE mood AS ENUM ('good', 'bad')",
        "CREATE DOMAIN always AS mood NOT NULL",
        "CREATE DOMAIN mostly AS always DEFAULT 'good'",
        "CREATE TABLE person (id int, \"Most\" mostly, own mostly DEFAULT 'bad', plain always)",
        "CREATE DOMAIN free AS mood",
        "ALTER TABLE person ADD free free");
    for (Finding problem : source.problems()) {
      source.applyFix(problem);
    }
    assertThat(source.problems()).isEmpty();
    source.execute("INSERT INTO person (id, plain) VALUES (1, 'good')");
    assertThat(database.query("SELECT concat_ws(' ', \"Most\", own, plain, free) FROM person"))
        .isEqualTo("good bad good");
    assertThat(
            database.query(
                "SELECT string_agg(attname || ' ' || attnotnull, ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'person'::regclass AND atttypid = 'mood'::regtype"))
        .isEqualTo("Most true, own true, plain true, free false");
  }

  /** Debezium reads all types of the database, whoever uses them. */
  @Test
  void refusesTypesThatKeepDebeziumFromStarting() throws SQLException {
    source.execute(
        "CREATE SCHEMA \"others'\" CREATE TABLE person (id int)",
        "CREATE TYPE \"others'\".mood AS ENUM ('good', 'bad')",
        "CREATE DOMAIN \"others'\".\"Well\" AS \"others'\".mood CHECK (VALUE <> 'bad')",
        "ALTER TABLE \"others'\".person ADD \"Mood\" \"others'\".\"Well\" DEFAULT 'good'");
    source.expectProblemThatItsFixMends(
        Severity.MISCONFIGURED,
        "domain \"others'\".\"Well\" is over \"others'\".mood, an enum: Debezium reads the types of all schemas and cannot start beside such a one");
    source.execute("CREATE TYPE \"others'\".nothing AS ENUM ()");
    source.expectProblemThatItsFixMends(
        Severity.MISCONFIGURED,
        "enum \"others'\".nothing has no labels: Debezium reads the types of all schemas and cannot start beside such a one");
    source.execute(
        "CREATE TYPE \"others'\".odd",
        "CREATE FUNCTION \"others'\".odd_in(cstring) RETURNS \"others'\".odd LANGUAGE internal IMMUTABLE STRICT AS 'textin'",
        "CREATE FUNCTION \"others'\".odd_out(\"others'\".odd) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout'",
        "CREATE TYPE \"others'\".odd (INPUT = \"others'\".odd_in, OUTPUT = \"others'\".odd_out, CATEGORY = 'E')");
    source.expectProblemThatItsFixMends(
        Severity.MISCONFIGURED,
        "type \"others'\".odd has the category of enums and is none: Debezium reads the types of all schemas and cannot start beside such a one");
  }
}
