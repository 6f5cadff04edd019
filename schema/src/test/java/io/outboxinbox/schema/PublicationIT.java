package io.outboxinbox.schema;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresVersion;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class PublicationIT extends SchemaOnEachVersion {
  private static final String FILE = "schema/postgresql/03_publication.sql";
  private static final String GOOD =
      "insert=true update=false delete=false truncate=false via_root=true"
          + " columns=id,aggregate_type,aggregate_id,event_type,payload,content_type,headers,topic,occurred_at filter=none";

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void publishesInsertsOfWholeRowsUnderTheNameOfTheTable(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    assertThat(state(database)).isEqualTo(GOOD);

    database.execute(
        "SELECT pg_create_logical_replication_slot('probe', 'pgoutput')",
        "SELECT outbox_publish('order', '1', 'OrderPlaced', '{}')",
        "SELECT outbox_partitions_create(8)",
        "INSERT INTO outbox_event (id, aggregate_type, aggregate_id, event_type) VALUES (outbox_uuid7_floor(now() + interval '8 days'), 'order', '1', 'OrderPlaced')",
        "DELETE FROM outbox_event");
    String changes =
        "pg_logical_slot_peek_binary_changes('probe', NULL, NULL, 'proto_version', '1', 'publication_names', 'outbox_publication')";
    // The first byte is the kind of change, the next four are the table: the root, whichever
    // partition holds the row.
    assertThat(
            query(
                database,
                """
                SELECT string_agg(chr(get_byte(data, 0))
                         || (substring(data FROM 2 FOR 4) = int4send('outbox_event'::regclass::oid::int))::text, ' ')
                FROM %s
                WHERE chr(get_byte(data, 0)) IN ('I', 'U', 'D', 'T')
                """
                    .formatted(changes)))
        .isEqualTo("Itrue Itrue");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void repairsWhatWouldHideEventsAndLeavesOtherTablesAlone(PostgresVersion version)
      throws Exception {
    PostgresDatabase database = installed(version);
    database.execute("CREATE TABLE other (id int PRIMARY KEY)");
    for (String damage :
        new String[] {
          "ALTER PUBLICATION outbox_publication SET (publish = 'insert, update, delete, truncate')",
          "ALTER PUBLICATION outbox_publication SET (publish = 'delete')",
          "ALTER PUBLICATION outbox_publication SET (publish_via_partition_root = false)",
          "ALTER PUBLICATION outbox_publication SET TABLE other",
          "ALTER PUBLICATION outbox_publication SET TABLE other, outbox_event WHERE (aggregate_type = 'order')",
          "ALTER PUBLICATION outbox_publication SET TABLE other, outbox_event (id, payload)"
        }) {
      database.execute(damage);
      assertThat(state(database)).as(damage).isNotEqualTo(GOOD);
      database.runScript(FILE);
      assertThat(state(database)).as(damage).isEqualTo(GOOD);
    }
    assertThat(
            query(
                database,
                "SELECT count(*) FROM pg_publication_tables WHERE pubname = 'outbox_publication' AND tablename = 'other'"))
        .isEqualTo("1");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void eachSchemaHasAPublicationOfItsOwn(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    String longName = "a_schema_with_a_name_so_long_that_nothing_fits_behind_it_any_63";
    try (Connection connection = database.connect()) {
      for (String schema : List.of("orders", longName, "\"My Schema, (v2)\"", "\"Größe\"")) {
        for (int run = 0; run < 2; run++) {
          execute(
              connection, "CREATE SCHEMA IF NOT EXISTS " + schema, "SET search_path = " + schema);
          for (String file : FILES) {
            execute(connection, resource("schema/postgresql/" + file + ".sql"));
          }
        }
      }
    }
    assertThat(
            query(
                database,
                "SELECT string_agg(pubname || ' ' || schemaname, ', ' ORDER BY schemaname COLLATE \"C\" DESC) FROM pg_publication_tables WHERE pubname LIKE 'outbox%'"))
        .isEqualTo(
            "outbox_publication public, outbox_publication_orders orders, outbox_publication_a_schema_with_a_name_so_long_that_n_0640bb26 "
                + longName
                + ", outbox_publication_my_schema_v2__433e4255 My Schema, (v2), outbox_publication_gr_e_d2484533 Größe");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void aSchemaWhosePositionIsUnderTheFirstNameKeepsIt(PostgresVersion version) throws Exception {
    PostgresDatabase database = empty(version);
    try (Connection connection = database.connect()) {
      execute(
          connection,
          "CREATE SCHEMA orders",
          "SET search_path = orders",
          resource("schema/postgresql/01_outbox.sql"),
          resource("schema/postgresql/04_agent.sql"),
          "CREATE TABLE other (id int PRIMARY KEY)",
          "CREATE PUBLICATION outbox_publication FOR TABLE other, outbox_event",
          "INSERT INTO outbox_agent_source (source, seeded_at) VALUES ('7/' || current_database() || '/outbox_publication', now())",
          resource(FILE));
    }
    assertThat(state(database)).isEqualTo(GOOD);
    assertThat(query(database, "SELECT count(*) FROM pg_publication")).isEqualTo("1");
  }

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void refusesAPublicationOfAllTablesAndSaysWhatToDo(PostgresVersion version) throws Exception {
    PostgresDatabase database = installed(version);
    database.execute(
        "DROP PUBLICATION outbox_publication",
        "CREATE PUBLICATION outbox_publication FOR ALL TABLES WITH (publish = 'insert', publish_via_partition_root = true)");
    assertThatThrownBy(() -> database.runScript(FILE))
        .hasMessageContaining("publishes ALL TABLES")
        .hasMessageContaining("DROP PUBLICATION outbox_publication");
  }

  private static String resource(String name) throws Exception {
    try (InputStream in = PublicationIT.class.getClassLoader().getResourceAsStream(name)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  private static String state(PostgresDatabase database) throws SQLException {
    return query(
        database,
        """
        SELECT coalesce(max(format('insert=%s update=%s delete=%s truncate=%s via_root=%s columns=%s filter=%s',
                 p.pubinsert::text, p.pubupdate::text, p.pubdelete::text, p.pubtruncate::text, p.pubviaroot::text,
                 array_to_string(t.attnames, ','), coalesce(t.rowfilter, 'none'))), 'not published')
        FROM pg_publication AS p JOIN pg_publication_tables AS t USING (pubname)
        WHERE p.pubname = 'outbox_publication' AND t.tablename = 'outbox_event'
        """);
  }
}
