package io.outboxinbox.schema;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Each role can do its work, and nothing else. */
class RolesIT extends SchemaOnEachVersion {
  private static final String INSERT =
      "INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type, payload) VALUES ('order', '1', 'OrderPlaced', '{}')";

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void aWriterOnlyAddsEvents(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    try (Connection writer = as(database, "outbox_writer")) {
      execute(
          writer,
          "SELECT outbox_publish('order', '1', 'OrderPlaced', '{}')",
          INSERT,
          INSERT + " ON CONFLICT DO NOTHING");
      forbidden(
          writer,
          "SELECT * FROM outbox_event",
          INSERT + " RETURNING id",
          "UPDATE outbox_event SET payload = NULL",
          "DELETE FROM outbox_event",
          "TRUNCATE outbox_event",
          "SELECT * FROM outbox_event_default",
          "INSERT INTO outbox_event_default (aggregate_type, aggregate_id, event_type) VALUES ('order', '1', 'OrderPlaced')",
          "SELECT outbox_partitions_create()",
          "SELECT outbox_partitions_drop('2020-01-01')",
          "SELECT * FROM outbox_agent_source",
          "SELECT * FROM outbox_backlog",
          "SELECT * FROM outbox_parked",
          "INSERT INTO outbox_agent_source (source) VALUES ('x')",
          "ALTER TABLE outbox_event DISABLE TRIGGER ALL",
          "DROP TABLE outbox_event",
          "ALTER PUBLICATION outbox_publication DROP TABLE outbox_event",
          "SELECT pg_create_logical_replication_slot('mine', 'pgoutput')");
    }
    assertThat(query(database, "SELECT count(*) FROM outbox_event")).isEqualTo("3");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void theAgentReadsEventsAndKeepsItsOwnState(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    database.execute(
        INSERT, "CREATE TABLE customers (id int)", "ALTER ROLE outbox_agent PASSWORD 'agent'");
    try (Connection agent = database.connectAs("outbox_agent", "agent")) {
      assertThat(query(agent, "SELECT count(*) FROM outbox_event")).isEqualTo("1");
      execute(
          agent,
          "INSERT INTO outbox_agent_source (source, holder) VALUES ('orders', 'agent-1')",
          "UPDATE outbox_agent_source SET pulse = pulse + 1, pulsed_at = now(), epoch = 1, seeded_at = now()",
          "INSERT INTO outbox_backlog SELECT 'orders', row_number() OVER (ORDER BY id), id FROM outbox_event",
          "DELETE FROM outbox_backlog",
          "DELETE FROM outbox_agent_source",
          "DELETE FROM outbox_parked",
          "DELETE FROM outbox_parked_edit",
          "INSERT INTO outbox_reconciliation (source, reconciliation, cause) VALUES ('orders', 1, 'x')",
          "UPDATE outbox_reconciliation SET state = 'done'",
          "INSERT INTO outbox_phantom VALUES ('orders', 1, 't', 0, 7, 'id', NULL, now())",
          "INSERT INTO outbox_agent_position VALUES ('orders', 1, '{}', now())",
          "UPDATE outbox_agent_position SET turn = turn + 1",
          "SELECT * FROM outbox_agent_position",
          "SELECT * FROM outbox_partitions()",
          "SELECT outbox_partitions_drop('2020-01-01')",
          "SELECT pg_logical_emit_message(true, 'outbox', 'canary')",
          "SELECT pg_try_advisory_lock(1)",
          "SELECT * FROM pg_publication_tables",
          "SELECT system_identifier FROM pg_control_system()",
          "SELECT pg_create_logical_replication_slot('agent_slot', 'pgoutput')",
          "SELECT pg_drop_replication_slot('agent_slot')");
      assertThat(query(agent, "SELECT outbox_partitions_create(8)")).isEqualTo("1");
      forbidden(
          agent,
          INSERT,
          "SELECT outbox_publish('order', '1', 'OrderPlaced', '{}')",
          "UPDATE outbox_event SET payload = NULL",
          "DELETE FROM outbox_event",
          "TRUNCATE outbox_backlog",
          "DELETE FROM outbox_agent_position",
          "SELECT * FROM customers",
          "DROP TABLE outbox_event_default",
          "DROP PUBLICATION outbox_publication",
          "ALTER PUBLICATION outbox_publication SET (publish = 'delete')",
          "CREATE PUBLICATION mine FOR ALL TABLES",
          "CREATE TABLE mine (id int)",
          "ALTER FUNCTION outbox_partitions_create(int) SECURITY INVOKER",
          "CREATE ROLE mine");
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void anOperatorOnlyLooks(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    database.execute(INSERT);
    try (Connection operator = as(database, "outbox_operator")) {
      execute(
          operator,
          "SELECT * FROM outbox_event",
          "SELECT * FROM outbox_partitions()",
          "SELECT * FROM outbox_agent_source",
          "SELECT * FROM outbox_backlog",
          "SELECT * FROM outbox_parked",
          "SELECT * FROM outbox_parked_edit",
          "SELECT * FROM outbox_reconciliation",
          "SELECT * FROM outbox_phantom",
          "SELECT * FROM outbox_agent_position");
      forbidden(
          operator,
          INSERT,
          "SELECT outbox_publish('order', '1', 'OrderPlaced', '{}')",
          "DELETE FROM outbox_event",
          "UPDATE outbox_agent_source SET epoch = 9",
          "DELETE FROM outbox_backlog",
          "UPDATE outbox_parked SET requested = 'discard'",
          "SELECT outbox_partitions_create()",
          "SELECT outbox_partitions_drop('2020-01-01')");
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void aControllerAsksAndTheAgentDoes(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    database.execute(
        INSERT,
        "INSERT INTO outbox_agent_source (source) VALUES ('orders')",
        "INSERT INTO outbox_parked (source, ordinal, reason, is_behind, epoch, xid, lsn, committed_at)"
            + " VALUES ('orders', 1, 'x', false, 1, 1, '0/1', now())");
    try (Connection controller = as(database, "outbox_controller")) {
      execute(
          controller,
          "SELECT * FROM outbox_event",
          "SELECT * FROM outbox_partitions()",
          "UPDATE outbox_agent_source SET paused_at = now(), paused_by = 'joe', paused_reason = 'x'",
          "UPDATE outbox_agent_source SET reconcile_requested_at = now()",
          "UPDATE outbox_parked SET requested = 'discard', requested_by = 'joe' WHERE ordinal = 1",
          "INSERT INTO outbox_parked_edit VALUES ('orders', 1, now(), 'joe', 'x', 'topic', NULL)");
      forbidden(
          controller,
          INSERT,
          "UPDATE outbox_agent_source SET epoch = 9",
          "UPDATE outbox_agent_source SET pulse = 9",
          "UPDATE outbox_agent_position SET turn = 9",
          "DELETE FROM outbox_agent_source",
          "UPDATE outbox_parked SET state = 'discarded', settled_at = now()",
          "DELETE FROM outbox_parked",
          "DELETE FROM outbox_parked_edit",
          "UPDATE outbox_parked_edit SET reason = 'y'",
          "DELETE FROM outbox_event",
          "DELETE FROM outbox_backlog",
          "SELECT outbox_partitions_drop('2020-01-01')",
          "SELECT pg_create_logical_replication_slot('mine', 'pgoutput')");
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void othersCannotCallWhatActsWithTheOwnersRights(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    database.execute("DROP ROLE IF EXISTS outbox_stranger", "CREATE ROLE outbox_stranger");
    try (Connection stranger = as(database, "outbox_stranger")) {
      forbidden(
          stranger,
          INSERT,
          "SELECT outbox_publish('order', '1', 'OrderPlaced', '{}')",
          "SELECT outbox_partitions_create()",
          "SELECT outbox_partitions_drop('2020-01-01')");
    }
    database.execute("DROP ROLE outbox_stranger");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void onlyTheAgentWritesMessagesIntoTheLog(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    // As the version before left it: every login may.
    database.execute(messages("GRANT", "TO PUBLIC"), messages("REVOKE", "FROM outbox_agent"));
    database.runScript("schema/postgresql/05_roles.sql");
    database.runScript("schema/postgresql/05_roles.sql");
    database.execute("DROP ROLE IF EXISTS outbox_stranger", "CREATE ROLE outbox_stranger");
    for (String role : List.of("outbox_stranger", "outbox_writer", "outbox_operator")) {
      try (Connection other = as(database, role)) {
        forbidden(other, MESSAGES);
      }
    }
    try (Connection agent = as(database, "outbox_agent")) {
      execute(agent, MESSAGES);
    }
    // The way back for another tool, as the file says it.
    database.execute(messages("GRANT", "TO outbox_stranger"));
    try (Connection other = as(database, "outbox_stranger")) {
      execute(other, MESSAGES);
    }
    database.execute(messages("REVOKE", "FROM outbox_stranger"), "DROP ROLE outbox_stranger");
  }

  private static final String[] MESSAGES = {
    "SELECT pg_logical_emit_message(true, 'x', 'y')",
    "SELECT pg_logical_emit_message(false, 'x', 'y'::text)",
    "SELECT pg_logical_emit_message(false, 'x', 'y'::bytea)"
  };

  /** For every overload the version has. */
  private static String messages(String verb, String whom) {
    return "DO $do$ DECLARE emit regprocedure; BEGIN FOR emit IN SELECT oid FROM pg_proc WHERE proname = 'pg_logical_emit_message' LOOP EXECUTE '%s EXECUTE ON FUNCTION ' || emit || ' %s'; END LOOP; END $do$"
        .formatted(verb, whom);
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void temporaryTablesDoNotPoseAsTheOutbox(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    try (Connection writer = as(database, "outbox_writer")) {
      execute(
          writer,
          "CREATE TEMPORARY TABLE outbox_event (id uuid, aggregate_type text, aggregate_id text, event_type text, payload json, headers jsonb)",
          "SET search_path = pg_temp, public",
          "SELECT public.outbox_publish('order', '1', 'OrderPlaced', '{}')");
    }
    assertThat(query(database, "SELECT count(*) FROM public.outbox_event")).isEqualTo("1");

    database.execute("ALTER ROLE outbox_agent PASSWORD 'agent'");
    try (Connection agent = database.connectAs("outbox_agent", "agent")) {
      execute(
          agent,
          "CREATE TEMPORARY TABLE outbox_event (id uuid) PARTITION BY RANGE (id)",
          "SET search_path = pg_temp, public");
      assertThat(query(agent, "SELECT public.outbox_partitions_create(8)")).isEqualTo("1");
    }
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void rolesHaveOnlyTheAttributesTheyNeed(PostgresVersion version) throws Exception {
    PostgresDatabase database = empty(version);
    install(database);
    assertThat(
            query(
                database,
                "SELECT string_agg(concat_ws(' ', rolname, rolcanlogin, rolreplication, rolsuper, rolcreatedb, rolcreaterole, rolbypassrls), ', ' ORDER BY rolname) FROM pg_roles WHERE rolname LIKE 'outbox%'"))
        .isEqualTo(
            "outbox_agent t t f f f f, outbox_controller f f f f f f, outbox_operator f f f f f f, outbox_writer f f f f f f");
  }

  private static Connection as(PostgresDatabase database, String role) throws SQLException {
    Connection connection = database.connect();
    execute(connection, "SET SESSION AUTHORIZATION " + role);
    return connection;
  }

  private static void forbidden(Connection connection, String... statements) {
    for (String sql : List.of(statements)) {
      // 42501 is insufficient_privilege.
      assertThat(failureOf(connection, sql).sqlState()).as(sql).isEqualTo("42501");
    }
  }
}
