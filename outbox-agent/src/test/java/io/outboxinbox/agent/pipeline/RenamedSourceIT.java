package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

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
    PostgresDatabase renamed =
        new PostgresDatabase(
            old.host(), old.port(), old.name() + "_renamed", old.user(), old.password());
    PostgresDatabase server =
        new PostgresDatabase(old.host(), old.port(), "postgres", old.user(), old.password());
    rig.await(() -> rename(server, old, renamed));
    rig.database = renamed;
    assertThatNothingIsPublishedAgain("/" + old.name() + "/");
    rig.await(() -> rename(server, renamed, old));
    rig.database = old;
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
  private static boolean rename(
      PostgresDatabase server, PostgresDatabase from, PostgresDatabase to) {
    try {
      server.execute(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s' AND usename = '%s'"
              .formatted(from.name(), from.user()),
          "ALTER DATABASE \"%s\" RENAME TO \"%s\"".formatted(from.name(), to.name()));
      return true;
    } catch (java.sql.SQLException inUse) {
      return false;
    }
  }
}
