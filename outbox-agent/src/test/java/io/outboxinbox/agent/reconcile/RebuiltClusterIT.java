package io.outboxinbox.agent.reconcile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.InstanceOfAssertFactories.STRING;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.operate.ReconcileRequest;
import io.outboxinbox.agent.pipeline.CrashingPublishing;
import io.outboxinbox.agent.pipeline.CrashingPublishing.Crash;
import io.outboxinbox.agent.pipeline.ParkingRig;
import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.agent.pipeline.PipelineRig.Memory;
import io.outboxinbox.agent.pipeline.PipelineStatus;
import io.outboxinbox.agent.source.table.Reconciliations.Report;
import io.outboxinbox.agent.source.table.Reconciliations.Request;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresServer;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** A database goes on in another cluster, under another id, and either was in use for a while. */
@ParameterizedClass
@EnumSource(Memory.class)
class RebuiltClusterIT {
  @Parameter Memory memory;

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  /** Such as when an agent began in the new cluster before anybody had named the old one. */
  @Test
  void keepsWhatIsParkedUnderEitherIdInOrderAndOnce() throws Exception {
    try (PostgresServer old = PostgresServer.start(PostgresVersion.V17);
        PostgresServer rebuilt = PostgresServer.start(PostgresVersion.V18);
        PipelineRig rig = PipelineRig.on(old, kafka, memory)) {
      Pipeline pipeline = rig.start("");
      rig.awaitLeading(pipeline);
      new ReconcileRequest(rig.configuration(""), "operator").ask(null);
      rig.await(
          () ->
              !FailoverIT.reports(rig).isEmpty()
                  && FailoverIT.reports(rig).get(0).state().equals("done"));
      String nowhere = rig.topic + "-nowhere";
      try (ParkingRig parked = new ParkingRig(rig)) {
        parked.insert("first", "key-a", nowhere, "{}");
        parked.insert("second", "key-a", nowhere, "{}");
        parked.insert("settled", "key-b", nowhere, "{}");
        parked.awaitWaiting(3);
      }
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      Checkpoint before = rig.checkpoint();
      String oldId = before.source().systemId();
      FailoverIT.moveByCopy(rig, rebuilt, kafka);
      try (ParkingRig parked = new ParkingRig(rig)) {
        for (String type : List.of("third", "fourth", "fifth")) {
          parked.insert(type, "key-a", nowhere, "{}");
        }
        String systemId = parked.query("SELECT system_identifier FROM pg_control_system()");
        String newId = before.source().id().replace(oldId, systemId);
        parkUnder(rig, newId, before.epoch() + 5);
        // Of the same name as the one that was read, but of another cluster: somebody else's.
        rig.execute("SELECT pg_create_logical_replication_slot('outbox_agent', 'pgoutput')");
        new ReconcileRequest(rig.configuration(""), "operator").ask(oldId);
        Pipeline moved = rig.start("");
        rig.awaitState(moved, PipelineStatus.State.MISCONFIGURED);
        assertThat(moved.status().reason()).contains("has not read it");
        rig.dropSlot();
        rig.awaitLeading(moved);
        assertThat(parked.rows("event_type", "state = 'waiting'"))
            .containsExactly("first", "second", "third", "fourth", "fifth");
        assertThat(parked.rows("event_type || source", "state = 'discarded'"))
            .containsExactly("settled" + newId);
        assertThat(
                parked.list(
                    "SELECT e.field || p.event_type FROM outbox_parked_edit e"
                        + " JOIN outbox_parked p USING (source, ordinal)"))
            .containsExactly("topicfourth");
        assertThat(rig.checkpoint().epoch())
            .as("consumers know a higher one under this id")
            .isGreaterThan(before.epoch() + 5);
        releaseAll(rig, parked);
        assertThat(moved.stop(Duration.ofSeconds(20))).isTrue();
        // Numbers go on behind all of them.
        rig.awaitLeading(rig.start(""));
        parked.insert("sixth", "key-a", nowhere, "{}");
        parked.awaitWaiting(1);
        assertThat(FailoverIT.reports(rig))
            .extracting(Report::number)
            .doesNotHaveDuplicates()
            .hasSize(3);
      }
    }
  }

  private static void releaseAll(PipelineRig rig, ParkingRig parked) throws Exception {
    rig.execute(
        "UPDATE outbox_parked SET topic = NULL, requested = 'release' WHERE state = 'waiting'");
    parked.awaitPublished("first", "second", "third", "fourth", "fifth");
    assertThat(parked.publishedOf("key-a"))
        .containsExactly("first", "second", "third", "fourth", "fifth");
    parked.awaitWaiting(0);
  }

  /**
   * What an agent that began anew has left: the same events again under numbers of its own, of
   * which one is settled and one was on its way; three more; and a report.
   */
  private static void parkUnder(PipelineRig rig, String newId, long epoch) throws Exception {
    rig.execute(
        """
        INSERT INTO outbox_parked (source, ordinal, event_id, aggregate_type, aggregate_id,
          event_type, payload, content_type, headers, topic, occurred_at, key, reason, is_behind,
          epoch, xid, lsn, committed_at, destination, state, settled_at)
        SELECT '%s', row_number() OVER (ORDER BY id), id, aggregate_type, aggregate_id, event_type,
          convert_to(payload::text, 'UTF8'), content_type, nullif(headers::text, '{}'), topic, occurred_at,
          aggregate_id, 'why', false, %d, 1, '0/1', now(), NULL,
          CASE event_type WHEN 'settled' THEN 'discarded' ELSE 'waiting' END,
          CASE event_type WHEN 'settled' THEN now() END
        FROM outbox_event
        """
            .formatted(newId, epoch),
        "UPDATE outbox_parked SET release = 1, published_sequence = 1 WHERE event_type = 'third'",
        "INSERT INTO outbox_parked_edit (source, ordinal, edited_by, reason, field)"
            + " SELECT source, ordinal, 'operator', 'why', 'topic' FROM outbox_parked"
            + " WHERE event_type = 'fourth'",
        "INSERT INTO outbox_agent_source (source, epoch, reconciliation) VALUES ('%s', %d, 1)"
            .formatted(newId, epoch),
        "INSERT INTO outbox_reconciliation (source, reconciliation, state, cause)"
            + " VALUES ('%s', 1, 'done', 'why')".formatted(newId));
  }

  /** A try that failed must leave nothing behind, or the next one numbers everything once more. */
  @Test
  void triesAgainWithoutATraceUntilALockIsGoneHoweverLongItTakesThen() throws Exception {
    try (PostgresServer old = PostgresServer.start(PostgresVersion.V17);
        PostgresServer rebuilt = PostgresServer.start(PostgresVersion.V18);
        PipelineRig rig = PipelineRig.on(old, kafka, memory)) {
      Pipeline pipeline = rig.start("");
      rig.awaitLeading(pipeline);
      try (ParkingRig parked = new ParkingRig(rig)) {
        parked.insert("first", "key-a", rig.topic + "-nowhere", "{}");
        parked.insert("second", "key-a", rig.topic + "-nowhere", "{}");
        parked.awaitWaiting(2);
      }
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      Checkpoint before = rig.checkpoint();
      String oldId = before.source().systemId();
      FailoverIT.moveByCopy(rig, rebuilt, kafka);
      try (ParkingRig parked = new ParkingRig(rig)) {
        parked.insert("third", "key-a", rig.topic + "-nowhere", "{}");
        String systemId = parked.query("SELECT system_identifier FROM pg_control_system()");
        String newId = before.source().id().replace(oldId, systemId);
        parkUnder(rig, newId, before.epoch() + 5);
        rig.execute(
            "DELETE FROM outbox_parked WHERE source = '%s' AND event_type = 'first'"
                .formatted(newId),
            "UPDATE outbox_parked SET ordinal = 1 WHERE event_type = 'third'");
        List<String> untouched = parked.rows(NUMBERED, "true");
        try (Connection holder = rig.database.connect();
            Statement lock = holder.createStatement()) {
          holder.setAutoCommit(false);
          lock.execute(
              "SELECT FROM outbox_parked WHERE event_type = 'second' AND source LIKE '%s%%' FOR UPDATE"
                  .formatted(oldId));
          new ReconcileRequest(rig.configuration(""), "operator").ask(oldId);
          Pipeline moved = rig.start("");
          awaitTold(rig, moved, "table outbox_parked is locked");
          assertThat(parked.rows(NUMBERED, "true")).isEqualTo(untouched);
          lock.execute("LOCK TABLE outbox_parked IN ACCESS EXCLUSIVE MODE");
          awaitTold(rig, moved, "table outbox_parked is locked");
          // Longer than the leader waits for an answer.
          rig.execute(SLOW, SLOWED);
          rig.execute(BROKEN, BREAKS);
          rig.execute(printed(moved.status().reason()));
          awaitTold(rig, moved, "SQLState P0001");
          assertThat(parked.rows(NUMBERED, "true")).isEqualTo(untouched);
          rig.execute("DROP TRIGGER broken ON outbox_reconciliation");
          rig.awaitLeading(moved);
        }
        assertThat(parked.rows("event_type || ordinal", "true"))
            .as("as when nobody had held a lock")
            .containsExactly("first1", "second2", "third3");
        assertThat(FailoverIT.reports(rig)).extracting(Report::number).containsExactly(2L, 1L);
        assertThat(FailoverIT.reports(rig).get(0).notes())
            .contains("1 event was parked under both ids");
      }
    }
  }

  private static final String NUMBERED = "concat_ws(' ', source, ordinal, event_type)";

  private static final String SLOW =
      """
      CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_sleep(2.5);
        RETURN NULL;
      END $$
      """;

  private static final String SLOWED =
      "CREATE TRIGGER slow BEFORE UPDATE ON outbox_phantom FOR EACH STATEMENT EXECUTE FUNCTION slow()";

  /** What was carried over is told by the report alone. */
  private static final String BROKEN =
      """
      CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'no report can be begun';
      END $$
      """;

  private static final String BREAKS =
      "CREATE TRIGGER broken BEFORE INSERT ON outbox_reconciliation FOR EACH ROW EXECUTE FUNCTION broken()";

  private static void awaitTold(PipelineRig rig, Pipeline pipeline, String reason) {
    long tries = pipeline.status().restarts() + 2;
    rig.await(
        () -> pipeline.status().restarts() >= tries && pipeline.status().reason().contains(reason));
  }

  /** The way out, as it is printed. */
  private static String printed(String reason) {
    return reason.substring(reason.indexOf("fix: ") + "fix: ".length());
  }

  /** It may have published since anybody last looked, until it was shut out. */
  @Test
  void goesOnFromWhatTheOldAgentPublishedUntilItWasShutOut() throws Exception {
    assumeTrue(memory == Memory.BROKER, "a copy of the position shuts nobody out: decision 19");
    try (PostgresServer old = PostgresServer.start(PostgresVersion.V17);
        PostgresServer rebuilt = PostgresServer.start(PostgresVersion.V18);
        PipelineRig rig = PipelineRig.on(old, kafka, memory)) {
      Pipeline last = rig.start("");
      rig.awaitLeading(last);
      rig.insert(0, 20);
      rig.awaitEvents(20);
      String oldId = rig.checkpoint().source().systemId();
      PostgresDatabase before = rig.database;
      FailoverIT.moveByCopy(rig, rebuilt, kafka);
      PostgresDatabase after = rig.database;
      AtomicBoolean isFirst = new AtomicBoolean(true);
      Runnable publishMore =
          () -> {
            if (isFirst.getAndSet(false)) {
              try {
                rig.database = before;
                rig.insert(20, 25);
                rig.awaitEvents(25);
                last.stop(Duration.ofSeconds(20));
              } catch (SQLException e) {
                throw new IllegalStateException(e);
              } finally {
                rig.database = after;
              }
            }
          };
      PipelineConfiguration configuration = rig.configuration("");
      new ReconcileRequest(configuration, "operator").ask(oldId);
      rig.awaitLeading(
          rig.start(
              CrashingPublishing.asked(configuration.publish(), publishMore).in(configuration)));
      rig.insert(25, 30);
      rig.awaitEvents(30);
      rig.assertThatEventsAreExactly(30);
    }
  }

  /**
   * Such as once the new cluster was begun under another name, with the rows that were there left
   * out. The new position goes on, and covers what is carried over, wherever an attempt ends.
   */
  @Test
  void carriesOverWhatIsParkedAlsoWhereTheNewIdHasAPositionAlready() throws Exception {
    try (PostgresServer old = PostgresServer.start(PostgresVersion.V17);
        PostgresServer rebuilt = PostgresServer.start(PostgresVersion.V18);
        PipelineRig rig = PipelineRig.on(old, kafka, memory)) {
      Pipeline pipeline = rig.start("");
      rig.awaitLeading(pipeline);
      String nowhere = rig.topic + "-nowhere";
      String oldId = parkTwoAndDiscardOne(rig, nowhere);
      rig.insert(0, 5);
      rig.awaitEvents(5);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      FailoverIT.moveByCopy(rig, rebuilt, kafka);
      rig.topic = kafka.newTopic("renamed", 3);
      rig.pipelineName = "renamed";
      Pipeline renamed = rig.start("existingRows: skip");
      rig.awaitLeading(renamed);
      rig.insert(5, 8);
      rig.awaitEvents(3);
      long last = rig.xidOf(7);
      rig.await(() -> positionOf(rig, "renamed").endedXid() > last);
      try (ParkingRig parked = new ParkingRig(rig)) {
        parked.insert("own", "key-a", nowhere, "{}");
        rig.await(() -> parked.rows("event_type", "event_type = 'own'").size() == 1);
        assertThat(renamed.stop(Duration.ofSeconds(20))).isTrue();
        Request request = new ReconcileRequest(rig.configuration(""), "operator").ask(oldId);
        long epoch = positionOf(rig, "renamed").epoch();
        CrashingPublishing crashing = crashingEach(rig.configuration("existingRows: skip"));
        rig.awaitLeading(rig.start(crashing.in(rig.configuration("existingRows: skip"))));
        assertThat(crashing.crashes.get()).isGreaterThan(1);
        rig.await(
            () ->
                new ReconcileRequest(rig.configuration(""), "operator")
                    .reportOf(request)
                    .isPresent());
        assertThat(FailoverIT.reports(rig).stream().map(Report::notes).filter(Objects::nonNull))
            .as("told by the attempt that did it")
            .singleElement(STRING)
            .contains("2 events were carried over from '" + oldId);
        String newId = positionOf(rig, "renamed").source().id();
        assertThat(parked.rows("event_type || ' ' || state", "source = '" + newId + "'"))
            .containsExactly("waits waiting", "gone discarded", "own waiting");
        rig.execute(
            "UPDATE outbox_parked SET topic = NULL, requested = 'release' WHERE state = 'waiting'");
        rig.awaitEvents(5);
        assertThat(parked.publishedOf("key-a")).containsExactly("waits", "own");
        if (memory == Memory.BROKER) {
          assertThat(parked.sequences()).containsExactly(1L, 2L, 3L, 4L, 5L);
        }
        assertThat(positionOf(rig, "renamed").epoch()).isEqualTo(epoch);
        assertThat(rig.checkpoints()).as("the old one is forgotten").hasSize(1);
      }
    }
  }

  /** What an agent does there without a decision is done with what is known since it was away. */
  @Test
  void goesBackToAClusterItWasMovedFromOnlyOnceTheOneItComesFromIsNamed() throws Exception {
    try (PostgresServer first = PostgresServer.start(PostgresVersion.V17);
        PostgresServer second = PostgresServer.start(PostgresVersion.V17);
        PipelineRig rig = PipelineRig.on(first, kafka, memory)) {
      Pipeline pipeline = rig.start("");
      rig.awaitLeading(pipeline);
      String nowhere = rig.topic + "-nowhere";
      try (ParkingRig parked = new ParkingRig(rig)) {
        parked.insert("waits", "key-a", nowhere, "{}");
        parked.insert("gone", "key-b", nowhere, "{}");
        parked.awaitWaiting(2);
      }
      rig.insert(0, 5);
      rig.awaitEvents(5);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      String firstId = rig.checkpoint().source().systemId();
      rig.dropSlot();
      FailoverIT.moveByCopy(rig, second, kafka);
      new ReconcileRequest(rig.configuration(""), "operator").ask(firstId);
      Pipeline moved = rig.start("");
      rig.awaitLeading(moved);
      rig.insert(5, 8);
      rig.awaitEvents(8);
      rig.execute(
          "UPDATE outbox_parked SET state = 'discarded', settled_at = now() WHERE event_type = 'gone'",
          "UPDATE outbox_parked SET topic = NULL WHERE event_type = 'waits'");
      assertThat(moved.stop(Duration.ofSeconds(20))).isTrue();
      String secondId = rig.checkpoint().source().systemId();
      first.dropDatabase(rig.database.name());
      FailoverIT.moveByCopy(rig, first, kafka);
      Pipeline back = rig.start("onGap: reconcile");
      rig.awaitState(back, PipelineStatus.State.STOPPED);
      assertThat(back.status().reason()).contains("--accept-cluster " + secondId);
      long tries = back.status().restarts();
      new ReconcileRequest(rig.configuration(""), "operator").ask(null);
      rig.await(() -> back.status().restarts() > tries);
      rig.awaitState(back, PipelineStatus.State.STOPPED);
      new ReconcileRequest(rig.configuration(""), "operator").ask(secondId);
      rig.awaitLeading(back);
      rig.insert(8, 10);
      rig.awaitEvents(10);
      rig.assertThatEventsAreExactly(10);
      try (ParkingRig parked = new ParkingRig(rig)) {
        assertThat(parked.rows("event_type || ' ' || state", "true"))
            .containsExactly("waits waiting", "gone discarded");
      }
    }
  }

  /** Left behind, it would be named as the cluster before when the database moves once more. */
  @Test
  void forgetsTheOldPositionAlsoWhenItEndsRightBeforeThat() throws Exception {
    try (PostgresServer old = PostgresServer.start(PostgresVersion.V17);
        PostgresServer rebuilt = PostgresServer.start(PostgresVersion.V17);
        PipelineRig rig = PipelineRig.on(old, kafka, memory)) {
      Pipeline pipeline = rig.start("");
      rig.awaitLeading(pipeline);
      rig.insert(0, 5);
      rig.awaitEvents(5);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      Checkpoint before = rig.checkpoint();
      String oldId = before.source().systemId();
      FailoverIT.moveByCopy(rig, rebuilt, kafka);
      new ReconcileRequest(rig.configuration(""), "operator").ask(oldId);
      AtomicBoolean isFirst = new AtomicBoolean(true);
      CrashingPublishing crashing =
          new CrashingPublishing(
              rig.configuration("").publish(),
              (batch, after) -> isFirst.getAndSet(false) ? Crash.AFTER_COMMIT : Crash.NONE);
      rig.awaitLeading(rig.start(crashing.in(rig.configuration(""))));
      assertThat(crashing.crashes.get()).isEqualTo(1);
      assertThat(rig.checkpoints())
          .singleElement()
          .satisfies(left -> assertThat(left.source().systemId()).isNotEqualTo(oldId));
      // A copied position does not tell which numbers were given after the copy was made.
      assertThat(rig.checkpoint().epoch() > before.epoch()).isEqualTo(memory == Memory.DATABASE);
      rig.insert(5, 10);
      rig.awaitEvents(10);
      rig.assertThatEventsAreExactly(10);
    }
  }

  /** The request is read twice, and what it takes along would be left behind. */
  @Test
  void doesNotGoOnFromAPositionThatTheRequestNoLongerNames() throws Exception {
    try (PostgresServer old = PostgresServer.start(PostgresVersion.V17);
        PostgresServer rebuilt = PostgresServer.start(PostgresVersion.V17);
        PipelineRig rig = PipelineRig.on(old, kafka, memory)) {
      Pipeline pipeline = rig.start("");
      rig.awaitLeading(pipeline);
      String oldId = parkTwoAndDiscardOne(rig, rig.topic + "-nowhere");
      rig.insert(0, 5);
      rig.awaitEvents(5);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      FailoverIT.moveByCopy(rig, rebuilt, kafka);
      ReconcileRequest request = new ReconcileRequest(rig.configuration(""), "operator");
      request.ask(oldId);
      AtomicBoolean isFirst = new AtomicBoolean(true);
      Runnable askAgain =
          () -> {
            if (isFirst.getAndSet(false)) {
              request.ask(null);
            }
          };
      PipelineConfiguration configuration = rig.configuration("");
      Pipeline moved =
          rig.start(CrashingPublishing.asked(configuration.publish(), askAgain).in(configuration));
      rig.await(
          () -> moved.status().leader() || moved.status().state() == PipelineStatus.State.STOPPED);
      assertThat(moved.status().reason()).contains("--accept-cluster " + oldId);
      assertThat(rig.query("SELECT count(*) FROM outbox_reconciliation")).isEqualTo("0");
      request.ask(oldId);
      rig.awaitLeading(moved);
      rig.insert(5, 8);
      rig.awaitEvents(8);
      rig.assertThatEventsAreExactly(8);
      String left = "SELECT count(*) FROM outbox_parked WHERE source LIKE '%s%%'".formatted(oldId);
      assertThat(rig.query(left)).isEqualTo("0");
    }
  }

  /** Returns the system identifier of the cluster. */
  private static String parkTwoAndDiscardOne(PipelineRig rig, String nowhere) throws Exception {
    try (ParkingRig parked = new ParkingRig(rig)) {
      parked.insert("waits", "key-a", nowhere, "{}");
      parked.insert("gone", "key-b", nowhere, "{}");
      parked.awaitWaiting(2);
    }
    rig.execute(
        "UPDATE outbox_parked SET state = 'discarded', settled_at = now() WHERE event_type = 'gone'");
    return rig.checkpoint().source().systemId();
  }

  /** One whose session ends before and after each of its first two commits. */
  private static CrashingPublishing crashingEach(PipelineConfiguration pipeline) {
    AtomicInteger commits = new AtomicInteger();
    return new CrashingPublishing(
        pipeline.publish(),
        (batch, after) ->
            switch (commits.incrementAndGet()) {
              case 1, 4 -> Crash.BEFORE_COMMIT;
              case 2, 6 -> Crash.AFTER_COMMIT;
              default -> Crash.NONE;
            });
  }

  private static Checkpoint positionOf(PipelineRig rig, String pipeline) throws Exception {
    return rig.checkpoints().stream()
        .filter(position -> position.pipeline().equals(pipeline))
        .findFirst()
        .orElseThrow();
  }
}
