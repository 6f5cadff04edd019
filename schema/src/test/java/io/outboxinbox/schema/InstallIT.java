package io.outboxinbox.schema;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresVersion;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class InstallIT extends SchemaOnEachVersion {

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

  private static String resource(String file) throws Exception {
    try (var in = InstallIT.class.getResourceAsStream("/schema/postgresql/" + file + ".sql")) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
