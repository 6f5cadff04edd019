package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.configure.RetentionConfiguration;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Finding.Severity;
import io.outboxinbox.agent.replay.Replay;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.inspect.SourcePreflight;
import io.outboxinbox.agent.source.outbox.StoredRows.Selection;
import io.outboxinbox.agent.watch.KeptReport;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tables, columns and schemas whose names need quotes, such as those that Prisma and other mappers
 * make: every way a row can take reads them, and no other table of a name like it.
 */
class QuotedNamesIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private PipelineRig rig;

  @BeforeEach
  void setUp() throws Exception {
    rig = new PipelineRig(postgres, kafka);
    rig.names = "";
  }

  @AfterEach
  void tearDown() {
    rig.close();
  }

  /**
   * Names as the catalog has them.
   *
   * @param columns id, type, key, event, payload, headers, and one more
   * @param decoy a table like it, of the same columns, that is no outbox
   */
  record Names(
      String what, String schema, String table, List<String> columns, String idType, String decoy) {
    String qualified() {
      return Identifiers.qualified(schema, table);
    }

    String column(int i) {
      return Identifiers.quoted(columns.get(i));
    }

    String yaml() {
      return "schema: '%s'\n      table: '%s'\n      layout: debezium\n      %s\n      extraColumns: ['%s']"
          .formatted(schema, table, mapped(), columns.get(6));
    }

    /** Of a list of tables. */
    String entry(String named) {
      return "table: '%s', layout: debezium, %s, extraColumns: ['%s']"
          .formatted(named, mapped(), columns.get(6));
    }

    private String mapped() {
      return "columns: {id: '%s', aggregate_type: '%s', aggregate_id: '%s', event_type: '%s', payload: '%s', headers: '%s'}"
          .formatted(columns.subList(0, 6).toArray());
    }

    @Override
    public String toString() {
      return what;
    }
  }

  static Stream<Names> names() {
    return Stream.of(
        new Names(
            "Prisma's",
            "public",
            "Outbox",
            List.of(
                "id",
                "aggregateType",
                "aggregateId",
                "eventType",
                "payload",
                "headers",
                "tenantId"),
            "text",
            "outbox"),
        new Names(
            "odd ones",
            "My Schema, (v2)",
            "Out%box [x]+$1 \\d{2}? Ü",
            List.of(
                "event id?", "a,b", "per%cent %s", "$1", "d.o.t", "back\\slash", "Ärger {x} (y)"),
            "uuid",
            "OUT%BOX [X]+$1 \\D{2}? Ü"));
  }

  @ParameterizedTest
  @MethodSource("names")
  void takeEveryWay(Names names) throws Exception {
    create(names);
    insert(names, "old", 0, 20);
    Pipeline pipeline = rig.start(names.yaml());
    rig.awaitLeading(pipeline);
    insert(names, "log", 20, 40);
    rig.awaitEvents(40);
    parkAndRelease(names);
    assertThat(pipeline.status().restarts()).isZero();
    assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();

    insert(names, "late", 42, 50);
    rig.forgetPosition();
    Pipeline next = rig.start(names.yaml() + "\n      onGap: reconcile");
    rig.awaitLeading(next);
    rig.awaitEvents(50);
    assertThat(rig.consume().stream().map(record -> PipelineRig.header(record, "ce_id")))
        .hasSize(50)
        .doesNotHaveDuplicates();
    assertThat(rig.consume())
        .allSatisfy(record -> assertThat(PipelineRig.header(record, "ce_type")).isEqualTo("made"));
    replay(names);
    assertThat(next.status().restarts()).isZero();
  }

  @ParameterizedTest
  @MethodSource("names")
  void twoTablesAreReadAsOne(Names names) throws Exception {
    create(names);
    String publication =
        rig.query(
            "SELECT pubname FROM pg_publication_tables WHERE tablename = "
                + literal(names.table()));
    rig.execute(
        "GRANT SELECT ON %s TO outbox_agent"
            .formatted(Identifiers.qualified(names.schema(), names.decoy())));
    insert(names, "old", 0, 20);
    rig.names =
        "schema: '%s'\n      publication: %s\n      tables: [{%s}, {%s}]"
            .formatted(
                names.schema(),
                publication,
                names.entry(names.table()),
                names.entry(names.decoy()));
    Pipeline first = rig.start("");
    rig.awaitLeading(first);
    insert(names, "log", 20, 40);
    rig.awaitEvents(80);
    assertThat(first.stop(Duration.ofSeconds(20))).isTrue();
    rig.forgetPosition();
    insert(names, "late", 40, 50);
    rig.awaitLeading(rig.start("onGap: reconcile"));
    rig.awaitEvents(100);
    assertThat(rig.consume())
        .hasSize(100)
        .allSatisfy(
            record ->
                assertThat(PipelineRig.header(record, "outbox_table"))
                    .isEqualTo(
                        PipelineRig.header(record, "ce_type").equals("made")
                            ? names.table()
                            : names.decoy()));
    Selection some = new Selection(null, null, List.of(), "Order", "log-21");
    Replay.Order order = new Replay.Order("r", names.decoy(), some, rig.topic, 1000, null);
    rig.await(() -> new Replay(rig.configuration("")).run(order, progress -> {}).published() == 1);
  }

  private void parkAndRelease(Names names) throws Exception {
    // A name that only the agent may write: the row is refused, and the next of its key waits.
    insertOne(names, "parked-40", "{\"ce_id\": \"forged\"}");
    String parked = Identifiers.qualified(names.schema(), "outbox_parked");
    rig.await(() -> rig.query("SELECT count(*) FROM " + parked).equals("1"));
    insertOne(names, "parked-40", "{}");
    rig.await(() -> rig.query("SELECT count(*) FROM " + parked).equals("2"));
    assertThat(
            rig.query(
                "SELECT extra ->> '%s' FROM %s LIMIT 1".formatted(names.columns().get(6), parked)))
        .isEqualTo("acme");
    rig.execute(
        "UPDATE " + parked + " SET headers = '{}', requested = 'release' WHERE NOT is_behind");
    rig.await(
        () ->
            rig.query("SELECT count(*) FROM " + parked + " WHERE state = 'released'").equals("2"));
    rig.awaitEvents(42);
  }

  private void replay(Names names) throws Exception {
    Selection some = new Selection(null, null, List.of(), "Order", "log-21");
    rig.await(() -> replayed(names, some) == 1);
    assertThat(rig.consume().stream().map(ConsumerRecord::key).filter("log-21"::equals)).hasSize(2);
    String id =
        rig.query(
            "SELECT %s FROM %s WHERE %s = 'old-3'"
                .formatted(names.column(0), names.qualified(), names.column(2)));
    assertThat(replayed(names, new Selection(null, null, List.of(id), null, null))).isEqualTo(1);
  }

  private long replayed(Names names, Selection selection) throws Exception {
    return new Replay(rig.configuration(names.yaml()))
        .run(new Replay.Order("r", null, selection, rig.topic, 1000, null), progress -> {})
        .published();
  }

  @Test
  void tablesWithColumnsThatDifferOnlyByCaseAreRefused() throws Exception {
    Names names = names().toList().get(0);
    create(names);
    rig.execute("ALTER TABLE \"Outbox\" ADD COLUMN \"PAYLOAD\" text");
    List<Finding> refused = refused(names);
    assertThat(refused)
        .singleElement()
        .extracting(Finding::what)
        .asString()
        .isEqualTo(
            "table public.\"Outbox\" has columns \"payload\" and \"PAYLOAD\", which differ only by case: its log cannot be read");
    rig.execute(statement(refused.get(0)));
    assertThat(refused(names)).isEmpty();
  }

  @Test
  void standardTablesInASchemaThatNeedsQuotesHaveEverything() throws Exception {
    String schema = "Orders v2";
    install(schema);
    rig.execute(
        """
        DO $$ DECLARE day date := (now() AT TIME ZONE 'UTC')::date - 5;
        BEGIN
          SET LOCAL search_path = "Orders v2";
          CREATE TABLE outbox_event_old (LIKE outbox_event INCLUDING ALL);
          EXECUTE format('ALTER TABLE outbox_event ATTACH PARTITION outbox_event_old FOR VALUES FROM (%L) TO (%L)',
            outbox_uuid7_floor(day::timestamp AT TIME ZONE 'UTC'), outbox_uuid7_floor((day + 1)::timestamp AT TIME ZONE 'UTC'));
        END $$
        """);
    PipelineConfiguration plain = rig.configuration("schema: 'Orders v2'");
    PipelineConfiguration configuration =
        new PipelineConfiguration(
            plain.name(),
            plain.source(),
            plain.route(),
            plain.publish(),
            plain.batch(),
            plain.leadership(),
            plain.retry(),
            plain.parking(),
            plain.wal(),
            new RetentionConfiguration("1d"));
    Pipeline pipeline = rig.start(configuration);
    rig.awaitLeading(pipeline);
    rig.execute(
        "SELECT \"Orders v2\".outbox_publish('order', 'log-' || n, 'made', '{}') FROM generate_series(1, 10) n");
    rig.awaitEvents(10);
    KeptReport report = new KeptReport();
    rig.await(
        () -> {
          report.clean(configuration, this::checkpoint);
          return report.dropped() == 1;
        });
    assertThat(pipeline.status().restarts()).isZero();
  }

  private io.outboxinbox.agent.event.Checkpoint checkpoint() {
    try {
      return rig.checkpoint();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private void create(Names names) throws Exception {
    if (!names.schema().equals("public")) {
      install(names.schema());
    }
    for (String table : List.of(names.table(), names.decoy())) {
      rig.execute(
          "CREATE TABLE %s (%s %s PRIMARY KEY DEFAULT gen_random_uuid(), %s text NOT NULL, %s text NOT NULL, %s text NOT NULL, %s jsonb, %s jsonb NOT NULL DEFAULT '{}', %s text)"
              .formatted(
                  Identifiers.qualified(names.schema(), table),
                  names.column(0),
                  names.idType(),
                  names.column(1),
                  names.column(2),
                  names.column(3),
                  names.column(4),
                  names.column(5),
                  names.column(6)));
    }
    // What is printed runs as printed, until nothing is left to mend.
    for (Finding finding : refused(names)) {
      rig.execute(statement(finding));
    }
    assertThat(refused(names)).isEmpty();
    // The table like it is sent too, as with a publication FOR TABLES IN SCHEMA.
    rig.execute(
        "ALTER PUBLICATION %s ADD TABLE %s"
            .formatted(
                rig.query(
                    "SELECT pubname FROM pg_publication_tables WHERE tablename = "
                        + literal(names.table())),
                Identifiers.qualified(names.schema(), names.decoy())));
  }

  @Test
  void readsADatabaseOfAnyNameThatTheConfigurationTakes() throws Exception {
    String name = "Bü&ro=1;a@b,c$\\d.e" + rig.database.name();
    rig.execute("CREATE DATABASE " + Identifiers.quoted(name));
    PostgresDatabase odd =
        new PostgresDatabase(
            rig.database.host(),
            rig.database.port(),
            name,
            rig.database.user(),
            rig.database.password());
    try (PipelineRig other = new PipelineRig(odd, kafka, PipelineRig.Memory.BROKER)) {
      other.names = "onGap: stop";
      Pipeline pipeline = other.start("");
      other.awaitLeading(pipeline);
      other.insert(0, 3);
      other.awaitEvents(3);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      other.dropSlots("true");
    } finally {
      rig.execute("DROP DATABASE " + Identifiers.quoted(name) + " WITH (FORCE)");
    }
  }

  private List<Finding> refused(Names names) throws Exception {
    return SourcePreflight.check(rig.configuration(names.yaml()).source(), false).stream()
        .filter(
            finding -> finding.severity() != Severity.OK && finding.severity() != Severity.WARNING)
        .toList();
  }

  private static String statement(Finding finding) {
    return finding.fix();
  }

  private static String literal(String text) {
    return "'" + text.replace("'", "''") + "'";
  }

  private void install(String schema) throws Exception {
    try (Connection connection = rig.database.connect();
        Statement statement = connection.createStatement()) {
      statement.execute("CREATE SCHEMA " + Identifiers.quoted(schema));
      statement.execute("SET search_path = " + Identifiers.quoted(schema));
      for (String file :
          List.of("01_outbox", "02_partitions", "03_publication", "04_agent", "05_roles")) {
        statement.execute(resource("schema/postgresql/" + file + ".sql"));
      }
    }
  }

  private static String resource(String name) throws Exception {
    try (InputStream in =
        Objects.requireNonNull(QuotedNamesIT.class.getClassLoader().getResourceAsStream(name))) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  /** Into the table and the one like it, from one transaction. */
  private void insert(Names names, String key, int from, int to) throws Exception {
    try (Connection connection = rig.database.connect();
        Statement statement = connection.createStatement()) {
      connection.setAutoCommit(false);
      for (String table : List.of(names.table(), names.decoy())) {
        statement.execute(
            insertSql(names, table, literal(key + "-") + " || n", "'{}'")
                + " FROM generate_series(%d, %d) n".formatted(from, to - 1));
      }
      connection.commit();
    }
  }

  private void insertOne(Names names, String key, String headers) throws Exception {
    rig.execute(insertSql(names, names.table(), literal(key), literal(headers)));
  }

  private static String insertSql(Names names, String table, String key, String headers) {
    return "INSERT INTO %s (%s, %s, %s, %s, %s, %s) SELECT 'Order', %s, %s, '{}', %s, 'acme'"
        .formatted(
            Identifiers.qualified(names.schema(), table),
            names.column(1),
            names.column(2),
            names.column(3),
            names.column(4),
            names.column(5),
            names.column(6),
            key,
            table.equals(names.table()) ? "'made'" : "'decoy'",
            headers + "::jsonb");
  }
}
