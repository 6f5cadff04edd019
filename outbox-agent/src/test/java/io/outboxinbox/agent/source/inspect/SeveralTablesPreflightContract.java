package io.outboxinbox.agent.source.inspect;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.source.PublicationMark;
import io.outboxinbox.agent.source.SourceConfiguration.Column;
import io.outboxinbox.agent.source.SourceConfiguration.Layout;
import io.outboxinbox.agent.source.Sources;
import io.outboxinbox.agent.source.TableConfiguration;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What is looked at where a source has several tables. */
abstract class SeveralTablesPreflightContract extends AgentTablesContract {
  private PreflightSource two() throws SQLException {
    source.execute(
        "CREATE TABLE event (LIKE outbox_event INCLUDING ALL)",
        "GRANT SELECT ON event TO preflight_agent",
        "ALTER PUBLICATION outbox_publication ADD TABLE event");
    return source.withTables(Sources.table("outbox_event"), Sources.table("event"));
  }

  @Test
  void looksAtEachTable() throws SQLException {
    PreflightSource two = two();
    assertThat(two.problems()).isEmpty();
    source.execute("ALTER PUBLICATION outbox_publication DROP TABLE event");
    two.expectProblemThatItsFixMends(
        Finding.Severity.MISCONFIGURED,
        "table public.event is not in publication outbox_publication: rows written meanwhile are in no stream");
    source.execute("ALTER TABLE event RENAME COLUMN payload TO data");
    assertThat(two.onlyProblem().what())
        .contains("table public.event has no column payload for PAYLOAD");
    source.execute("DROP TABLE event");
    assertThat(two.onlyProblem().what()).startsWith("table public.event does not exist");
  }

  /** Consumers tell events by id and source, and tables are none of their business. */
  @Test
  void asksForIdsThatAreUniqueBeyondTheirTable() throws SQLException {
    source.execute(
        "CREATE TABLE loose (id bigint PRIMARY KEY, aggregatetype text, aggregateid text, type text, payload text)",
        "GRANT SELECT ON loose TO preflight_agent",
        "ALTER PUBLICATION outbox_publication ADD TABLE loose");
    TableConfiguration loose = Sources.table("loose", Layout.DEBEZIUM, Map.of(), List.of());
    assertThat(source.withTables(loose).problems()).isEmpty();
    PreflightSource two = source.withTables(Sources.table("outbox_event"), loose);
    Finding numbers = two.onlyProblem();
    assertThat(numbers.severity()).isEqualTo(Finding.Severity.MISCONFIGURED);
    assertThat(numbers.what()).startsWith("column \"id\" of public.loose has type bigint");
    two.applyFix(numbers);
    source.execute("ALTER TABLE loose ADD UNIQUE (event_id)");
    assertThat(
            source
                .withTables(
                    Sources.table("outbox_event"),
                    Sources.table(
                        "loose", Layout.DEBEZIUM, Map.of(Column.ID, "event_id"), List.of()))
                .problems())
        .isEmpty();
    source.execute("ALTER TABLE loose ALTER COLUMN id TYPE text");
    assertThat(two.onlyProblem().severity()).isEqualTo(Finding.Severity.WARNING);
  }

  /** Its older rows would be those of another too. */
  @Test
  void refusesAParentWhoseQueriesBringRowsOfAnother() throws SQLException {
    PreflightSource two = two();
    source.execute("CREATE TABLE child () INHERITS (event)");
    two.expectProblemThatItsFixMends(
        Finding.Severity.MISCONFIGURED,
        "table public.child inherits from public.event: a query of the parent brings its rows too, as older rows, and the log does not");
  }

  /** What all tables share is said once, and a publication that is made anew has all of them. */
  @Test
  void namesAllTablesWhereThereIsNoPublication() throws SQLException {
    PreflightSource two = two();
    source.execute("DROP PUBLICATION outbox_publication");
    Finding missing = two.onlyProblem();
    assertThat(missing.fix())
        .startsWith(
            "CREATE PUBLICATION outbox_publication FOR TABLE public.outbox_event, public.event WITH");
    two.applyFix(missing);
    assertThat(two.problems()).isEmpty();
  }

  private static String mark(PreflightSource of) throws SQLException {
    try (Connection connection = of.agent()) {
      return PublicationMark.of(connection, of.config());
    }
  }

  private static List<String> changes(PreflightSource of, String before) throws SQLException {
    return PublicationMark.compare(of.config(), before, mark(of)).stream()
        .map(Finding::what)
        .toList();
  }

  /** Each way a table can be published; a mark of one table is what earlier versions wrote. */
  @Test
  void marksEachTableOfSeveral() throws SQLException {
    PreflightSource two = two();
    PreflightSource turned =
        source.withTables(Sources.table("event"), Sources.table("outbox_event"));
    for (String publication :
        List.of("TABLE outbox_event, event", "TABLES IN SCHEMA public", "ALL TABLES")) {
      source.execute(
          "DROP PUBLICATION outbox_publication",
          "CREATE PUBLICATION outbox_publication FOR " + publication);
      String before = mark(two);
      assertThat(mark(turned)).as("in whatever order").isEqualTo(before);
      assertThat(changes(two, mark(source)))
          .as(publication)
          .singleElement()
          .asString()
          .startsWith("table event is read from now on");
      assertThat(changes(source, before))
          .as(publication)
          .singleElement()
          .asString()
          .startsWith("table event is covered by the last position");
      source.execute("VACUUM FREEZE");
      assertThat(mark(two)).isEqualTo(before);
      source.execute(
          "ALTER TABLE event RENAME TO away", "CREATE TABLE event (LIKE away INCLUDING ALL)");
      if (publication.startsWith("TABLE ")) {
        source.execute("ALTER PUBLICATION outbox_publication ADD TABLE event");
      }
      assertThat(changes(two, before))
          .as(publication)
          .singleElement()
          .asString()
          .contains("or table event was taken out and put back, or is another one");
      source.execute("DROP TABLE event CASCADE", "ALTER TABLE away RENAME TO event");
    }
  }
}
