package io.outboxinbox.schema;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresVersion;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class InstallIT extends SchemaOnEachVersion {

  /** Tests have copies of one database, which must not be the same one. */
  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void copiesOfOneInstallationKnowNothingOfEachOther(PostgresVersion version) throws Exception {
    PostgresDatabase one = installed(version);
    one.execute("SELECT outbox_publish('order', '1', 'OrderPlaced', '{}')");
    assertThat(query(installed(version), "SELECT count(*) FROM outbox_event")).isEqualTo("0");
    assertThat(query(one, "SELECT count(*) FROM outbox_event")).isEqualTo("1");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void everyFileCanRunTwiceAndKeepsEvents(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    database.execute("SELECT outbox_publish('order', '1', 'OrderPlaced', '{}')");

    install(database);

    assertThat(query(database, "SELECT count(*) FROM outbox_event")).isEqualTo("1");
    assertThat(query(database, "SELECT count(*) FROM outbox_partitions()")).isEqualTo("9");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void livesInAnySchemaAndItsFunctionsStayThere(PostgresVersion version) throws Exception {
    PostgresDatabase database = empty(version);
    String schema = "\"Mixed; \"\"Case\"\" 'quoted'\"";
    try (Connection connection = database.connect()) {
      execute(connection, "CREATE SCHEMA " + schema, "SET search_path = " + schema);
      for (int run = 0; run < 2; run++) {
        for (String file : FILES) {
          execute(connection, resource(file));
        }
      }
      // Another search_path, without the schema: the functions must not look for their tables along
      // it.
      execute(connection, "SET search_path = pg_catalog");
      execute(
          connection, "SELECT " + schema + ".outbox_publish('order', '1', 'OrderPlaced', '{}')");
      assertThat(query(connection, "SELECT count(*) FROM " + schema + ".outbox_event"))
          .isEqualTo("1");
      assertThat(query(connection, "SELECT " + schema + ".outbox_partitions_create(9)"))
          .isEqualTo("2");
      assertThat(query(connection, "SELECT count(*) FROM " + schema + ".outbox_partitions()"))
          .isEqualTo("11");
      assertThat(
              query(
                  connection,
                  "SELECT count(*) FROM pg_class WHERE relname LIKE 'outbox%' AND relnamespace = 'public'::regnamespace"))
          .isEqualTo("0");
    }
  }

  /** Whatever else is on the search_path behind the schema that is installed into. */
  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void leavesAnotherSchemaOnTheSearchPathAsItIs(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    database.execute(
        "CREATE INDEX outbox_backlog_event ON outbox_backlog (source, event_id)",
        "CREATE INDEX outbox_parked_lane ON outbox_parked (source, key)");
    String objects =
        """
        SELECT md5(string_agg(classid || '/' || objid || '/' || objsubid, ',' ORDER BY classid, objid, objsubid))
          FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass AND refobjid = 'public'::regnamespace
        """;
    String indexes = "SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'";
    String before = query(database, objects) + query(database, indexes);
    try (Connection connection = database.connect()) {
      execute(connection, "CREATE SCHEMA billing", "SET search_path = billing, public");
      for (int run = 0; run < 2; run++) {
        for (String file : FILES) {
          execute(connection, resource(file));
        }
      }
    }
    assertThat(query(database, objects) + query(database, indexes)).isEqualTo(before);
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void keepsAPayloadLimitThatAnOperatorHasChanged(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    // As schema/README.md says.
    database.execute(
        """
        ALTER TABLE outbox_event
          DROP CONSTRAINT outbox_event_payload_at_most_1000000_bytes,
          ADD CONSTRAINT outbox_event_payload_at_most_4000000_bytes CHECK (octet_length(payload::text) <= 4000000)
        """);
    install(database);
    database.execute(
        "SELECT outbox_publish('order', '1', 'OrderPlaced', to_json(repeat('x', 2000000)))",
        "SELECT outbox_partitions_create(8)");
    assertThat(
            failureOf(
                    database,
                    "SELECT outbox_publish('order', '1', 'OrderPlaced', to_json(repeat('x', 4000000)))")
                .message())
        .contains("outbox_event_payload_at_most_4000000_bytes");
  }

  /** By the step of CHANGELOG.md; rows that were there stay, whatever they are. */
  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void aTableOfTheBuildBeforeGetsTheRulesOfANewOne(PostgresVersion version) throws Exception {
    String step =
        Pattern.compile("```sql\\n(  ALTER TABLE outbox_event\\n.*?)```", Pattern.DOTALL)
            .matcher(Files.readString(Path.of("../CHANGELOG.md")))
            .results()
            .map(found -> found.group(1))
            .findFirst()
            .orElseThrow();
    List<String> added =
        Pattern.compile("ADD CONSTRAINT (\\w+)")
            .matcher(step)
            .results()
            .map(found -> found.group(1))
            .toList();
    PostgresDatabase database = installed(version);
    String rules = rules(database);
    for (String name : added) {
      database.execute("ALTER TABLE outbox_event DROP CONSTRAINT " + name);
    }
    String parkedLater =
        "SELECT outbox_publish('Order Placed!', '1', 'OrderPlaced', '{}', '{\"ce_x\": \"1\"}')";
    database.execute(
        parkedLater,
        "INSERT INTO outbox_event (id, aggregate_type, aggregate_id, event_type) VALUES (gen_random_uuid(), 'a b', '1', 'x')");
    database.execute(step);
    assertThat(rules(database)).isEqualTo(rules);
    assertThat(failureOf(database, parkedLater).message()).contains("violates check constraint");
    assertThat(query(database, "SELECT outbox_partitions_create(9)")).isEqualTo("2");
    assertThat(query(database, "SELECT count(*) FROM outbox_event")).isEqualTo("2");
    // A partition made later has the rules as well.
    assertThat(
            query(
                database,
                "SELECT count(DISTINCT n) FROM (SELECT count(*) AS n FROM pg_constraint WHERE contype = 'c' AND conrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'outbox_event'::regclass) GROUP BY conrelid) c"))
        .isEqualTo("1");
    install(database);
  }

  /** With the step of CHANGELOG.md that large tables take before, and without it. */
  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void aTableOfTheBuildBeforeGetsIndexesThatTakeLongKeys(PostgresVersion version) throws Exception {
    String step =
        Pattern.compile(
                "```sql\\n(  CREATE INDEX CONCURRENTLY outbox_parked_key.*?)```", Pattern.DOTALL)
            .matcher(Files.readString(Path.of("../CHANGELOG.md")))
            .results()
            .map(found -> found.group(1))
            .findFirst()
            .orElseThrow();
    PostgresDatabase database = installed(version);
    String indexes = indexes(database);
    for (boolean isLarge : new boolean[] {true, false}) {
      database.execute(
          "DROP INDEX outbox_parked_key",
          "DROP INDEX outbox_backlog_id",
          "CREATE INDEX outbox_backlog_event ON outbox_backlog (source, event_id)",
          "CREATE INDEX outbox_parked_lane ON outbox_parked (source, key, ordinal) INCLUDE (destination) WHERE state = 'waiting'");
      if (isLarge) {
        database.execute(step.split(";"));
      }
      install(database);
      assertThat(indexes(database)).isEqualTo(indexes);
    }
    String chance = "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 6000))";
    database.execute(
        "INSERT INTO outbox_backlog VALUES ('s', 1, %s)".formatted(chance),
        "INSERT INTO outbox_parked (source, ordinal, key, reason, is_behind, epoch, xid, lsn, committed_at) VALUES ('s', 1, %s, 'r', false, 1, 1, '0/1', now())"
            .formatted(chance));
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void aDatabaseOfTheBuildBeforeGetsATableOfPositionsThatLaterRunsLeaveAlone(
      PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    database.execute("DROP TABLE outbox_agent_position");
    install(database);
    database.execute("INSERT INTO outbox_agent_position VALUES ('s', 7, '{}', now())");
    install(database);
    assertThat(query(database, "SELECT source || turn || checkpoint FROM outbox_agent_position"))
        .isEqualTo("s7{}");
    assertThat(
            query(
                database,
                "SELECT string_agg(privilege_type, ' ' ORDER BY privilege_type) FROM information_schema.role_table_grants WHERE table_name = 'outbox_agent_position' AND grantee = 'outbox_agent'"))
        .isEqualTo("INSERT SELECT UPDATE");
  }

  private static String indexes(PostgresDatabase database) throws Exception {
    return query(
        database,
        "SELECT string_agg(indexdef, E'\\n' ORDER BY indexname) FROM pg_indexes WHERE tablename IN ('outbox_parked', 'outbox_backlog')");
  }

  private static String rules(PostgresDatabase database) throws Exception {
    return query(
        database,
        "SELECT string_agg(conname || ' ' || replace(pg_get_constraintdef(oid), ' NOT VALID', ''), E'\\n' ORDER BY conname)"
            + " FROM pg_constraint WHERE conrelid = 'outbox_event'::regclass AND contype = 'c'");
  }

  private static String resource(String file) throws Exception {
    try (var in = InstallIT.class.getResourceAsStream("/schema/postgresql/" + file + ".sql")) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
