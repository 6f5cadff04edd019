package io.outboxinbox.agent.source.inspect;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Finding.Severity;
import io.outboxinbox.agent.source.PublicationMark;
import io.outboxinbox.agent.source.SourceConfiguration.Column;
import io.outboxinbox.agent.source.SourceConfiguration.Layout;
import io.outboxinbox.agent.source.slot.ServerState;
import io.outboxinbox.agent.source.slot.SlotState;
import io.outboxinbox.agent.source.slot.TimelineHistory;
import io.outboxinbox.testkit.PostgresDatabase;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/**
 * Breaks one thing after the other, and holds the preflight to its word: the finding says what it
 * is, and its SQL, executed as printed, mends it.
 */
abstract class SourcePreflightContract extends SeveralTablesPreflightContract {
  @Test
  void findsNothingWrongWithOurSchema() {
    assertThat(source.problems()).isEmpty();
    assertThat(SourcePreflight.check(source.config(), false))
        .extracting(Finding::what)
        .contains(
            "role preflight_agent may replicate",
            "table public.outbox_event has every column needed",
            "publication outbox_publication sends inserts into public.outbox_event");
  }

  @Test
  void findsMissingPublication() throws SQLException {
    source.execute("DROP PUBLICATION outbox_publication", "CREATE PUBLICATION outbox_publications");

    source.expectProblemThatItsFixMends(
        Severity.MISCONFIGURED,
        "publication outbox_publication does not exist in database %s (did you mean outbox_publications?)"
            .formatted(source.config().database()));
  }

  @Test
  void findsTableOutsidePublication() throws SQLException {
    source.execute("ALTER PUBLICATION outbox_publication DROP TABLE outbox_event");

    source.expectProblemThatItsFixMends(
        Severity.MISCONFIGURED,
        "table public.outbox_event is not in publication outbox_publication: rows written meanwhile are in no stream");
  }

  @Test
  void findsPublicationOfSinglePartition() throws SQLException {
    source.execute(
        "ALTER PUBLICATION outbox_publication DROP TABLE outbox_event",
        "ALTER PUBLICATION outbox_publication ADD TABLE outbox_event_default");

    source.expectProblemThatItsFixMends(
        Severity.MISCONFIGURED,
        "table public.outbox_event is not in publication outbox_publication, only single partitions are: rows written meanwhile are in no stream");
  }

  @Test
  void findsPublicationWithoutInserts() throws SQLException {
    source.execute("ALTER PUBLICATION outbox_publication SET (publish = 'update')");

    source.expectProblemThatItsFixMends(
        Severity.MISCONFIGURED,
        "publication outbox_publication does not publish inserts: new rows are in no stream");
  }

  @Test
  void findsPublishingUnderPartitionNames() throws SQLException {
    source.execute("ALTER PUBLICATION outbox_publication SET (publish_via_partition_root = false)");

    source.expectProblemThatItsFixMends(
        Severity.MISCONFIGURED,
        "publication outbox_publication sends rows of partitioned table public.outbox_event under the partitions' names, where nobody looks for them");
  }

  @Test
  void findsRowFilter() throws SQLException {
    source.execute(
        "ALTER PUBLICATION outbox_publication SET TABLE outbox_event WHERE (aggregate_type = 'a')");

    source.expectProblemThatItsFixMends(
        Severity.MISCONFIGURED,
        "publication outbox_publication has a row filter on public.outbox_event: rows outside it are never published");
  }

  @Test
  void findsColumnListThatHidesNeededColumns() throws SQLException {
    source.execute(
        "ALTER PUBLICATION outbox_publication SET TABLE outbox_event (id, aggregate_type, aggregate_id, event_type, payload, occurred_at, content_type)");

    source.expectProblemThatItsFixMends(
        Severity.MISCONFIGURED,
        "publication outbox_publication has a column list on public.outbox_event without headers, topic");
  }

  @Test
  void acceptsPublicationOfAllTablesAndOfSchema() throws SQLException {
    source.execute(
        "DROP PUBLICATION outbox_publication",
        "CREATE PUBLICATION outbox_publication FOR ALL TABLES WITH (publish_via_partition_root = true)");
    assertThat(source.problems()).isEmpty();

    source.execute(
        "DROP PUBLICATION outbox_publication",
        "CREATE PUBLICATION outbox_publication FOR TABLES IN SCHEMA public WITH (publish_via_partition_root = true)");
    assertThat(source.problems()).isEmpty();
  }

  @Test
  void findsUnloggedPartition() throws SQLException {
    // PostgreSQL takes it into the publication with its root, and sends nothing of it.
    source.execute(
        "CREATE UNLOGGED TABLE loose PARTITION OF outbox_event FOR VALUES FROM ('00000000-0000-0000-0000-000000000000') TO ('00000000-0000-0000-0000-000000000001')");

    source.expectProblemThatItsFixMends(
        Severity.MISCONFIGURED,
        "table public.loose is UNLOGGED: its rows never reach the log, so they are never published");
  }

  @Test
  void findsUnloggedTable() throws SQLException {
    PreflightSource other = source.withTable("loose");
    source.execute(
        "CREATE UNLOGGED TABLE loose (LIKE outbox_event INCLUDING ALL)",
        "GRANT SELECT ON loose TO preflight_agent",
        "DROP PUBLICATION outbox_publication",
        "CREATE PUBLICATION outbox_publication FOR ALL TABLES");

    other.expectProblemThatItsFixMends(
        Severity.MISCONFIGURED,
        "table public.loose is UNLOGGED: its rows never reach the log, so they are never"
            + " published");
  }

  @Test
  void findsMissingTableAndGuessesItsName() throws SQLException {
    assertThat(source.withTable("outbox_events").onlyProblem().what())
        .isEqualTo(
            "table public.outbox_events does not exist in database %s (did you mean outbox_event?)"
                .formatted(source.config().database()));

    source.execute("CREATE SCHEMA shop", "CREATE TABLE shop.shop_outbox (id int)");
    assertThat(source.withTable("shop_outbox").onlyProblem().what())
        .endsWith("(did you mean shop.shop_outbox?)");
  }

  @Test
  void findsViewInsteadOfTable() throws SQLException {
    source.execute(
        "CREATE VIEW shown AS SELECT * FROM outbox_event",
        "GRANT SELECT ON shown TO preflight_agent");

    assertThat(source.withTable("shown").problems())
        .extracting(Finding::what)
        .contains(
            "public.shown is no table (relkind=v): only tables and partitioned tables write a log of rows");
  }

  @Test
  void refusesTablesWhosePoliciesHideRows() throws SQLException {
    source.execute(
        "ALTER TABLE outbox_event ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY w ON outbox_event FOR INSERT WITH CHECK (true)",
        "ALTER TABLE outbox_parked ENABLE ROW LEVEL SECURITY");
    List<Finding> problems = source.problems();
    assertThat(problems)
        .extracting(Finding::what)
        .containsExactly(hidden("outbox_event"), hidden("outbox_parked"));
    source.applyFix(problems.get(0));
    try {
      assertThat(source.problems()).isEmpty();
    } finally {
      // The role belongs to the server, which other tests use too.
      source.execute("ALTER ROLE preflight_agent NOBYPASSRLS");
    }
  }

  /** An owner is let through, unless the table says that its policies are for the owner too. */
  @Test
  void refusesPoliciesThatApplyEvenToTheOwner() throws SQLException {
    source.execute("ALTER TABLE outbox_backlog OWNER TO preflight_agent");
    source.execute("ALTER TABLE outbox_backlog ENABLE ROW LEVEL SECURITY");
    assertThat(source.problems()).isEmpty();
    source.execute("ALTER TABLE outbox_backlog FORCE ROW LEVEL SECURITY");
    assertThat(source.onlyProblem().what()).isEqualTo(hidden("outbox_backlog"));
  }

  private static String hidden(String table) {
    return "row level security is on for table public.%s and applies to role preflight_agent: rows its policies hide would never be published"
        .formatted(table);
  }

  @Test
  void refusesAGeneratedColumn() throws SQLException {
    source.execute(
        "CREATE TABLE computed (id uuid PRIMARY KEY, aggregatetype text, aggregateid text, type"
            + " text, raw jsonb, payload jsonb GENERATED ALWAYS AS (raw - 'secret') STORED, region"
            + " text GENERATED ALWAYS AS (raw ->> 'region') STORED)",
        "ALTER PUBLICATION outbox_publication ADD TABLE computed",
        "GRANT SELECT ON computed TO preflight_agent");
    PreflightSource computed =
        source.with(Layout.DEBEZIUM, "computed", Map.of(), List.of("region"));
    List<Finding> problems = computed.problems();
    assertThat(problems)
        .extracting(Finding::what)
        .containsExactly(
            "column payload for PAYLOAD is generated: it is in the table, but the log does not have"
                + " it",
            "column region of source.extraColumns is generated: it is in the table, but the log"
                + " does not have it");
    for (Finding problem : problems) {
      computed.applyFix(problem);
    }
    assertThat(computed.problems()).isEmpty();
  }

  @Test
  void refusesAVirtualColumnWhereThereAreSome() throws SQLException {
    try (Connection connection = source.superuser()) {
      assumeThat(connection.getMetaData().getDatabaseMajorVersion()).isGreaterThanOrEqualTo(18);
    }
    source.execute(
        "ALTER TABLE outbox_event ADD COLUMN kind text GENERATED ALWAYS AS (upper(event_type))"
            + " VIRTUAL");
    assertThat(source.withExtraColumns("kind").onlyProblem().fix())
        .contains("name the column it is computed from");
  }

  @Test
  void warnsOfADatabaseThatTakesBytesTheServerCannotSendAndTheRuleOfTheRunbookRefusesThem()
      throws Exception {
    PostgresDatabase first = postgres().newDatabase();
    String name = first.name() + "_ascii";
    source.execute(
        "CREATE DATABASE " + name + " ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0");
    PostgresDatabase ascii =
        new PostgresDatabase(first.host(), first.port(), name, first.user(), first.password());
    for (String file : List.of("01_outbox", "02_partitions", "03_publication", "04_agent")) {
      ascii.runScript("schema/postgresql/" + file + ".sql");
    }
    PreflightSource there =
        PreflightSource.of(
            ascii.host(), ascii.port(), ascii.name(), ascii.user(), ascii.password());
    there.grant();
    assertThat(there.onlyProblem())
        .returns(Severity.WARNING, Finding::severity)
        .extracting(Finding::what)
        .asString()
        .contains("has encoding SQL_ASCII");
    String runbook = Files.readString(Path.of("../docs/RUNBOOK.md"));
    int rule = runbook.indexOf("ALTER TABLE outbox_event ADD CONSTRAINT outbox_event_must_be_utf8");
    there.execute(runbook.substring(rule, runbook.indexOf(';', rule)));
    String insert =
        "INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type) VALUES ('a', E'%s', 'e')";
    there.execute(insert.formatted("gr\\303\\274n"));
    assertThatThrownBy(() -> there.execute(insert.formatted("gr\\374n")))
        .isInstanceOf(SQLException.class)
        .hasMessageContaining("invalid byte sequence for encoding \"UTF8\"");
  }

  /** They act with their owner's rights, and only a table's owner may add or drop partitions. */
  @Test
  void findsFunctionsThatMayNotTouchPartitionsAndMendsThem() throws SQLException {
    source.execute(
        "DO $$ BEGIN CREATE ROLE before_them; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        "DO $$ BEGIN CREATE ROLE \"New Owner\"; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        "DO $$ DECLARE p regclass; BEGIN FOR p IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'outbox_event'::regclass LOOP"
            + " EXECUTE format('ALTER TABLE %s OWNER TO before_them', p); END LOOP; END $$",
        "ALTER FUNCTION outbox_partitions_create(int) OWNER TO before_them",
        "ALTER FUNCTION outbox_partitions_drop(timestamptz) OWNER TO before_them",
        "ALTER TABLE outbox_event OWNER TO \"New Owner\"");
    assertThatThrownBy(() -> source.execute("SELECT outbox_partitions_create(9)"))
        .isInstanceOf(SQLException.class)
        .hasMessageContaining("permission denied for table outbox_event");

    source.expectProblemThatItsFixMends(
        Severity.WARNING,
        "functions outbox_partitions_create and outbox_partitions_drop act with the rights of before_them, but public.outbox_event or partitions of it belong to \"New Owner\": no partitions are made ahead and none can be dropped");

    source.execute(
        "SELECT outbox_partitions_create(9)",
        "SELECT outbox_partitions_drop(clock_timestamp() - interval '2 days')");
  }

  @Test
  void findsMissingColumnsEachWithItsDdl() throws SQLException {
    source.execute("ALTER TABLE outbox_event DROP COLUMN headers, DROP COLUMN occurred_at");

    List<Finding> problems = source.problems();
    assertThat(problems)
        .extracting(Finding::what)
        .containsExactlyInAnyOrder(
            "table public.outbox_event has no column headers for HEADERS",
            "table public.outbox_event has no column occurred_at for OCCURRED_AT");
    for (Finding problem : problems) {
      source.applyFix(problem);
    }
    assertThat(source.problems()).isEmpty();
  }

  @Test
  void findsRenamedColumn() throws SQLException {
    source.execute("ALTER TABLE outbox_event RENAME COLUMN topic TO topics");

    source.expectProblemThatItsFixMends(
        Severity.MISCONFIGURED,
        "table public.outbox_event has no column topic for TOPIC (did you mean topics?)");
  }

  @Test
  void findsColumnOfUnreadableType() throws SQLException {
    source.execute(
        "ALTER TABLE outbox_event ALTER COLUMN occurred_at DROP DEFAULT, ALTER COLUMN occurred_at TYPE timestamp(3)");

    source.expectProblemThatItsFixMends(
        Severity.MISCONFIGURED,
        "column occurred_at for OCCURRED_AT has type timestamp(3) without time zone; readable are timestamptz, timestamp");
  }

  @Test
  void findsMissingAndUnreadableExtraColumn() throws SQLException {
    PreflightSource extra = source.withExtraColumns("region");
    extra.expectProblemThatItsFixMends(
        Severity.MISCONFIGURED,
        "table public.outbox_event has no column region of source.extraColumns");

    source.execute("ALTER TABLE outbox_event ADD COLUMN price numeric");
    source
        .withExtraColumns("price")
        .expectProblemThatItsFixMends(
            Severity.MISCONFIGURED,
            "column price of source.extraColumns has type numeric; readable are text, varchar, bpchar, citext, enum, uuid, int2, int4, int8, bool");
  }

  @Test
  void readsTableOfDebeziumsEventRouter() throws SQLException {
    source.execute(
        "CREATE TYPE kind AS ENUM ('a')",
        "CREATE TABLE \"Order\" (id uuid PRIMARY KEY, aggregatetype kind, aggregateid varchar(255), type text, payload jsonb, sent_at timestamptz)",
        "ALTER PUBLICATION outbox_publication ADD TABLE \"Order\"",
        "GRANT SELECT ON \"Order\" TO preflight_agent");

    assertThat(
            source
                .with(Layout.DEBEZIUM, "Order", Map.of(Column.OCCURRED_AT, "sent_at"), List.of())
                .problems())
        .isEmpty();
  }

  @Test
  void quotesNamesInItsSql() throws SQLException {
    PreflightSource odd = source.withTable("My \"outbox\"");
    source.execute(
        "CREATE TABLE \"My \"\"outbox\"\"\" (LIKE outbox_event INCLUDING ALL)",
        "ALTER TABLE \"My \"\"outbox\"\"\" DROP COLUMN topic");

    List<Finding> problems = odd.problems();
    assertThat(problems).hasSize(3);
    for (Finding problem : problems) {
      odd.applyFix(problem);
    }
    assertThat(odd.problems()).isEmpty();
  }

  @Test
  void warnsWhenIdsMayRepeat() throws SQLException {
    source.execute("ALTER TABLE outbox_event DROP CONSTRAINT outbox_event_pkey");

    source.expectProblemThatItsFixMends(
        Severity.WARNING,
        "column \"id\" of public.outbox_event is not unique: consumers drop a second event with the same id");
  }

  @Test
  void marksEveryWayRowsCanHaveSlippedBy() throws SQLException {
    String before = mark();
    source.execute("CREATE TABLE other (id int PRIMARY KEY)");
    source.execute("ALTER PUBLICATION outbox_publication ADD TABLE other", "VACUUM FREEZE");
    assertThat(mark()).isEqualTo(before);

    assertMarkChanges(
        "ALTER PUBLICATION outbox_publication DROP TABLE outbox_event",
        "ALTER PUBLICATION outbox_publication ADD TABLE outbox_event");
    assertMarkChanges(
        "ALTER PUBLICATION outbox_publication SET (publish = 'update')",
        "ALTER PUBLICATION outbox_publication SET (publish = 'insert')");
    assertMarkChanges(
        "ALTER PUBLICATION outbox_publication SET TABLE outbox_event WHERE (aggregate_type = 'a')",
        "ALTER PUBLICATION outbox_publication SET TABLE outbox_event");
    assertMarkChanges(
        "DROP PUBLICATION outbox_publication",
        "CREATE PUBLICATION outbox_publication FOR TABLE outbox_event");
    assertMarkChanges(
        "DROP PUBLICATION outbox_publication",
        "CREATE PUBLICATION outbox_publication FOR TABLES IN SCHEMA public");
    assertMarkChanges(
        "ALTER PUBLICATION outbox_publication DROP TABLES IN SCHEMA public",
        "ALTER PUBLICATION outbox_publication ADD TABLES IN SCHEMA public");
    source.execute("CREATE SCHEMA elsewhere");
    assertMarkChanges(
        "ALTER TABLE outbox_event SET SCHEMA elsewhere",
        "ALTER TABLE elsewhere.outbox_event SET SCHEMA public");

    source.execute("DROP PUBLICATION outbox_publication");
    assertThat(mark()).isEqualTo("none");
  }

  /** The configuration may name another one, which is read from its first unread row on. */
  @Test
  void marksWhichTableItIsWhereEveryTableIsPublished() throws SQLException {
    source.execute(
        "DROP PUBLICATION outbox_publication",
        "CREATE PUBLICATION outbox_publication FOR ALL TABLES");
    String before = mark();
    source.execute(
        "ALTER TABLE outbox_event ADD COLUMN more int",
        "GRANT INSERT ON outbox_event TO PUBLIC",
        "TRUNCATE outbox_event",
        "ALTER TABLE outbox_event RENAME TO away",
        "ALTER TABLE away RENAME TO outbox_event",
        "VACUUM FREEZE");
    assertThat(mark()).isEqualTo(before);

    assertMarkChanges(
        "ALTER TABLE outbox_event RENAME TO away",
        "CREATE TABLE outbox_event (LIKE away INCLUDING ALL)");
  }

  private void assertMarkChanges(String... statements) throws SQLException {
    String before = mark();
    source.execute(statements);
    assertThat(mark()).isNotEqualTo(before).startsWith("publication ");
  }

  private String mark() throws SQLException {
    try (Connection connection = source.agent()) {
      return PublicationMark.of(connection, source.config());
    }
  }

  @Test
  void showsSlotAndServerToPlainReplicationRole() throws SQLException {
    try (Connection connection = source.agent()) {
      assertThat(SlotState.of(connection, "preflight_none")).isEmpty();
      source.execute("SELECT pg_create_logical_replication_slot('preflight_slot', 'pgoutput')");

      SlotState slot = SlotState.of(connection, "preflight_slot").orElseThrow();
      assertThat(slot.plugin()).isEqualTo("pgoutput");
      assertThat(slot.database()).isEqualTo(source.config().database());
      assertThat(slot.walStatus()).isEqualTo("reserved");
      assertThat(slot.active()).isFalse();
      assertThat(slot.activePid()).isZero();
      assertThat(slot.restartLsn()).isPositive();
      assertThat(slot.confirmedFlushLsn()).isGreaterThanOrEqualTo(slot.restartLsn());

      ServerState server = ServerState.of(connection);
      assertThat(server.systemId()).matches("\\d{15,20}");
      assertThat(server.timeline()).isPositive();
      assertThat(server.currentWalLsn()).isGreaterThanOrEqualTo(slot.restartLsn());
      assertThat(server.versionNum() / 10_000).isEqualTo(postgres().version().major());
      assertThat(server.inRecovery()).isFalse();
      assertThat(
              SlotPreflight.check(
                  source.config(),
                  Optional.of(slot),
                  server,
                  TimelineHistory.only(server.timeline()),
                  null))
          .extracting(Finding::severity)
          .containsExactly(Severity.OK);
    }
  }

  @Test
  void looksFastEnoughToLookOften() throws SQLException {
    assumeThat(source.problems()).isEmpty();
    try (Connection connection = source.agent()) {
      SourcePreflight.check(connection, source.config(), false);
      long start = System.nanoTime();
      for (int i = 0; i < 10; i++) {
        SourcePreflight.check(connection, source.config(), false);
      }
      // Milliseconds when nobody disturbs; the bound only catches a query that scans.
      assertThat((System.nanoTime() - start) / 10_000_000).isLessThan(500);
    }
  }
}
