package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.operate.ReconcileRequest;
import io.outboxinbox.agent.operate.SourceReset;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * A database or publication of another name is another source, and would be published anew; a table
 * of another name is the same table.
 */
class RenamedSourceIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private PipelineRig rig;

  @BeforeEach
  void setUp() throws Exception {
    rig = new PipelineRig(postgres, kafka);
  }

  @AfterEach
  void tearDown() throws Exception {
    rig.close();
  }

  private void publishTen() throws Exception {
    Pipeline first = rig.start("");
    rig.awaitLeading(first);
    rig.insert(0, 10);
    rig.awaitEvents(10);
    assertThat(first.stop(Duration.ofSeconds(40))).isTrue();
  }

  private void assertThatNothingIsPublishedAgain(String before) throws Exception {
    Pipeline second = rig.start("");
    rig.awaitState(second, State.STOPPED);
    assertThat(second.status().reason()).contains(before, "was renamed");
    assertThat(rig.consume()).hasSize(10);
    // As printed, and whatever schemas the operator's session looks into.
    String forget = second.status().reason().replaceAll("(?s).*(DELETE FROM .*)", "$1");
    rig.execute("SET search_path = pg_catalog", forget);
    assertThat(
            rig.query(
                "SELECT count(*) FROM outbox_agent_source WHERE source LIKE '%" + before + "%'"))
        .isEqualTo("0");
    // Nobody has to start anything anew for that.
    rig.awaitLeading(second);
    rig.awaitEvents(20);
    assertThat(second.stop(Duration.ofSeconds(40))).isTrue();
  }

  @Test
  void stopsInsteadOfPublishingEverythingAgainAfterThePublicationWasRenamed() throws Exception {
    rig.names = "publication: outbox_publication";
    publishTen();
    rig.execute("ALTER PUBLICATION outbox_publication RENAME TO orders_publication");
    rig.names = "publication: orders_publication";
    assertThatNothingIsPublishedAgain("/outbox_publication");
  }

  @Test
  void stopsInsteadOfPublishingEverythingAgainAfterTheDatabaseWasRenamed() throws Exception {
    rig.names = "existingRows: publish";
    publishTen();
    PostgresDatabase old = rig.database;
    PostgresDatabase renamed = named(old.name() + "_renamed");
    rig.await(() -> rename(old, renamed));
    rig.database = renamed;
    assertThatNothingIsPublishedAgain("/" + old.name() + "/");
    rig.await(() -> rename(renamed, old));
    rig.database = old;
  }

  /** Nobody can rename a database in which somebody else is. */
  @Test
  void keepsNoSessionThatWouldHinderWhoeverRenamesTheDatabaseBack() throws Exception {
    rig.names = "existingRows: publish";
    publishTen();
    PostgresDatabase old = rig.database;
    PostgresDatabase renamed = named(old.name() + "_away");
    rig.await(() -> rename(old, renamed));
    rig.database = renamed;
    Pipeline stopped = rig.start("");
    rig.awaitState(stopped, State.STOPPED);
    try {
      rig.await(() -> rename(renamed, old));
      rig.database = old;
      rig.awaitLeading(rig.start(""));
      rig.insert(10, 15);
      rig.awaitEvents(15);
      rig.assertThatEventsAreExactly(15);
    } finally {
      assertThat(stopped.stop(Duration.ofSeconds(40))).isTrue();
      rig.await(() -> rig.database.equals(old) || rename(renamed, old));
    }
  }

  /** Its row is the state of another, which would publish everything again without it. */
  @Test
  void takesNoSourceOfAnotherTableForAFormerName() throws Exception {
    rig.names = "publication: outbox_publication";
    publishTen();
    rig.execute(
        "ALTER PUBLICATION outbox_publication RENAME TO first_publication",
        "CREATE TABLE second (LIKE outbox_event INCLUDING DEFAULTS)",
        "GRANT SELECT ON second TO outbox_agent",
        "CREATE PUBLICATION second_publication FOR TABLE second WITH (publish = 'insert')");
    rig.names = "table: second\n      publication: second_publication";
    rig.pipelineName = "second";
    Pipeline second = rig.start("");
    rig.await(() -> second.status().leader() || second.status().state() == State.STOPPED);
    assertThat(second.status().reason()).isEmpty();
    insertUnder("second", 10);
    rig.awaitEvents(11);
    rig.names = "publication: first_publication";
    rig.pipelineName = "test";
    Pipeline first = rig.start("");
    rig.awaitState(first, State.STOPPED);
    assertThat(first.status().reason()).contains("/outbox_publication'");
    assertThat(rig.consume()).hasSize(11);
  }

  /** A reset says that somebody wants a first start, whatever the source may have been before. */
  @Test
  void beginsAnewUnderTheNewNameOnceItWasReset() throws Exception {
    rig.names = "existingRows: skip\n      publication: outbox_publication";
    publishTen();
    rig.forgetPosition();
    rig.execute("ALTER PUBLICATION outbox_publication RENAME TO orders_publication");
    rig.names = "existingRows: skip\n      publication: orders_publication";
    Pipeline second = rig.start("");
    rig.awaitState(second, State.STOPPED);
    new SourceReset(rig.configuration(""), "operator").run();
    // Nobody has to start anything anew for that.
    rig.awaitLeading(second);
    rig.insert(10, 15);
    rig.awaitEvents(15);
    assertThat(rig.numbersOf(rig.consume())).doesNotHaveDuplicates().hasSize(15);
  }

  /** Nothing tells whose the row is where the broker has no position of it. */
  @Test
  void printsNoDeleteOfARowThatIsNotSurelyItsOwn() throws Exception {
    rig.names = "publication: outbox_publication";
    publishTen();
    rig.forgetPosition();
    rig.execute("ALTER PUBLICATION outbox_publication RENAME TO orders_publication");
    rig.names = "publication: orders_publication";
    Pipeline second = rig.start("");
    rig.awaitState(second, State.STOPPED);
    assertThat(second.status().reason())
        .contains("may have published before as", "/outbox_publication", "reconcile agent.yml")
        .doesNotContain("DELETE");
    new ReconcileRequest(rig.configuration(""), "operator").ask(null);
    rig.awaitLeading(second);
    rig.insert(10, 15);
    rig.awaitEvents(15);
    assertThat(rig.consume()).as("found by their ids").hasSize(15);
  }

  @Test
  void publishesWhatWasWrittenBeforeTheTableGotTheNameThatTheConfigurationFollows()
      throws Exception {
    publishTen();
    rig.insert(10, 20);
    rig.execute("ALTER TABLE outbox_event RENAME TO orders_outbox");
    rig.names += "\n      publication: outbox_publication\n      table: orders_outbox";
    rig.awaitLeading(rig.start(""));
    insertUnder("orders_outbox", 20);
    rig.awaitEvents(21);
    rig.assertThatEventsAreExactly(21);
  }

  @Test
  void publishesWhatWasWrittenWhileTheTableBoreAnotherNameAndAllThatFollows() throws Exception {
    publishTen();
    rig.execute("ALTER TABLE outbox_event RENAME TO away");
    insertUnder("away", 10);
    rig.execute("ALTER TABLE away RENAME TO outbox_event");
    rig.awaitLeading(rig.start(""));
    rig.insert(11, 100);
    rig.awaitEvents(100);
    rig.assertThatEventsAreExactly(100);
  }

  private void insertUnder(String table, int number) throws Exception {
    rig.execute(
        "INSERT INTO %s (aggregate_type, aggregate_id, event_type, payload) VALUES ('order', 'key-%d', 'placed', '{\"n\":%d}')"
            .formatted(table, number % 5, number));
  }

  /** Ends the sessions of this test itself; those that have just ended still count for a moment. */
  private boolean rename(PostgresDatabase from, PostgresDatabase to) {
    try {
      named("postgres")
          .execute(
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s' AND usename = '%s'"
                  .formatted(from.name(), from.user()),
              "ALTER DATABASE \"%s\" RENAME TO \"%s\"".formatted(from.name(), to.name()));
      return true;
    } catch (java.sql.SQLException inUse) {
      return false;
    }
  }

  private PostgresDatabase named(String name) {
    PostgresDatabase same = rig.database;
    return new PostgresDatabase(same.host(), same.port(), name, same.user(), same.password());
  }
}
