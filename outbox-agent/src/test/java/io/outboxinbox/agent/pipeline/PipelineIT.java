package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.operate.ReconcileRequest;
import io.outboxinbox.agent.operate.SourcePause;
import io.outboxinbox.agent.operate.SourceReset;
import io.outboxinbox.agent.pipeline.PipelineRig.Memory;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

@ParameterizedClass
@EnumSource(Memory.class)
class PipelineIT {
  @Parameter Memory memory;

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private static final int CUTS = 4;

  private PipelineRig rig;

  @BeforeEach
  void setUp() throws Exception {
    rig = new PipelineRig(postgres, kafka, memory);
  }

  @AfterEach
  void tearDown() throws Exception {
    rig.close();
  }

  @Test
  void publishesOlderRowsFirstAndThenWhatTheLogBrings() throws Exception {
    rig.insert(0, 100);
    Pipeline pipeline = rig.start("");
    awaitState(pipeline, State.LEADING);
    rig.insert(100, 200);
    awaitEvents(200);
    assertThatEventsAreExactly(200);
  }

  @Test
  void goesOnWithoutGapOrRepeatAfterEachRestart() throws Exception {
    for (int round = 0; round < 4; round++) {
      Pipeline pipeline = rig.start("");
      awaitState(pipeline, State.LEADING);
      rig.insert(round * 50, round * 50 + 50);
      awaitEvents(round * 50 + 50);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      assertThat(pipeline.status().state()).isEqualTo(State.CLOSED);
    }
    assertThatEventsAreExactly(200);
  }

  @Test
  void leadsAgainAfterItsWalsenderWasTerminated() throws Exception {
    Pipeline pipeline = rig.start("");
    awaitState(pipeline, State.LEADING);
    rig.insert(0, 10);
    awaitEvents(10);
    rig.execute(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active_pid IS NOT"
            + " NULL AND database = current_database()");
    rig.insert(10, 20);
    awaitEvents(20);
    assertThatEventsAreExactly(20);
  }

  @Test
  void standsByWhileAnotherLeadsAndTakesOverWhenItEnds() throws Exception {
    Pipeline leader = rig.start("");
    awaitState(leader, State.LEADING);
    Pipeline standby = rig.start("");
    awaitState(standby, State.STANDBY);
    rig.insert(0, 50);
    awaitEvents(50);
    assertThat(leader.stop(Duration.ofSeconds(20))).isTrue();
    awaitState(standby, State.LEADING);
    rig.insert(50, 100);
    awaitEvents(100);
    assertThatEventsAreExactly(100);
  }

  @Test
  void leadsOncePerSourceEvenWithAnotherNameAndAnotherSlot() throws Exception {
    Pipeline leader = rig.start("");
    awaitState(leader, State.LEADING);
    rig.pipelineName = "another";
    Pipeline other = rig.start("slot: another_slot");
    awaitState(other, State.STANDBY);
    rig.insert(0, 50);
    awaitEvents(50);
    assertThat(leader.stop(Duration.ofSeconds(20))).isTrue();
    awaitState(other, State.STOPPED);
    assertThat(other.status().reason()).contains("another_slot", "outbox-agent.jar reconcile");
    assertThatEventsAreExactly(50);
  }

  @Test
  void goesOnFromItsPositionUnderAnotherName() throws Exception {
    Pipeline before = rig.start("");
    awaitState(before, State.LEADING);
    rig.insert(0, 50);
    awaitEvents(50);
    assertThat(before.stop(Duration.ofSeconds(20))).isTrue();
    rig.insert(50, 70);
    rig.pipelineName = "renamed";
    Pipeline renamed = rig.start("");
    awaitState(renamed, State.LEADING);
    rig.insert(70, 100);
    awaitEvents(100);
    assertThatEventsAreExactly(100);
  }

  /** The place in it is known by transaction and row, not by what was routed where. */
  @Test
  void goesOnInTheMiddleOfATransactionWithAnotherConfiguration() throws Exception {
    int rows = 20_000;
    String small = "{maxEvents: 50, atomicEvents: 50}";
    Pipeline before = rig.start(rig.batch(small));
    awaitState(before, State.LEADING);
    rig.insert(0, rows);
    awaitEvents(1);
    assertThat(before.stop(Duration.ofSeconds(20))).isTrue();
    List<Integer> numbers = new ArrayList<>(rig.numbersOf(rig.consume()));
    assertThat(numbers).as("stopped in the middle").hasSizeBetween(1, rows - 1);
    rig.topic = kafka.newTopic("moved", 3);
    awaitState(rig.start(rig.batch("{maxEvents: 999, atomicEvents: 70}")), State.LEADING);
    int rest = rows - numbers.size();
    awaitEvents(rest);
    numbers.addAll(rig.numbersOf(rig.consume()));
    assertThat(numbers)
        .containsExactlyInAnyOrderElementsOf(IntStream.range(0, rows).boxed().toList());
  }

  @Test
  void publishesRowsThatArriveByLogicalReplication() throws Exception {
    try (PipelineRig upstream = new PipelineRig(postgres, kafka, memory)) {
      String subscription = rig.database.name() + "_sub";
      upstream.execute(
          "SELECT pg_create_logical_replication_slot('" + subscription + "', 'pgoutput')");
      rig.execute(
          "CREATE SUBSCRIPTION %s CONNECTION 'host=%s port=%d dbname=%s user=%s password=%s' PUBLICATION outbox_publication WITH (create_slot = false, copy_data = false)"
              .formatted(
                  subscription,
                  upstream.database.host(),
                  upstream.database.port(),
                  upstream.database.name(),
                  upstream.database.user(),
                  upstream.database.password()));
      try {
        awaitState(rig.start(""), State.LEADING);
        upstream.insert(0, 20);
        awaitEvents(20);
        assertThatEventsAreExactly(20);
      } finally {
        // A subscription that still has its slot asks the publisher to drop it, under a lock that
        // a new session may wait for; here both are one server, which sees no deadlock in it.
        rig.execute(
            "ALTER SUBSCRIPTION " + subscription + " DISABLE",
            "ALTER SUBSCRIPTION " + subscription + " SET (slot_name = NONE)",
            "DROP SUBSCRIPTION " + subscription);
        await()
            .ignoreExceptions()
            .untilAsserted(
                () -> upstream.execute("SELECT pg_drop_replication_slot('" + subscription + "')"));
      }
    }
  }

  /** PostgreSQL keeps the log from the open transaction's beginning on; nobody can change that. */
  @Test
  void publishesPastATransactionThatStaysOpen() throws Exception {
    Pipeline pipeline = rig.start("");
    awaitState(pipeline, State.LEADING);
    try (Connection open = rig.database.connect();
        Statement statement = open.createStatement()) {
      open.setAutoCommit(false);
      statement.execute(
          "INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type, payload)"
              + " VALUES ('order', 'held', 'placed', '{\"n\":20}')");
      rig.insert(0, 10);
      awaitEvents(10);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      awaitState(rig.start(""), State.LEADING);
      rig.insert(10, 20);
      awaitEvents(20);
      open.commit();
    }
    awaitEvents(21);
    assertThatEventsAreExactly(21);
  }

  @Test
  void publishesNothingWhilePausedAndGoesOnAfterwards() throws Exception {
    SourcePause pause = new SourcePause(rig.configuration(""));
    assertThat(pause.pause("jane", "schema change of the consumers")).isTrue();
    assertThat(pause.pause("joe", "another")).as("paused already").isFalse();
    Pipeline leader = rig.start("");
    awaitState(leader, State.PAUSED);
    assertThat(leader.status().reason())
        .contains("jane", "schema change", "outbox-agent.jar resume agent.yml --pipeline test");
    Pipeline standby = rig.start("");
    awaitState(standby, State.STANDBY);
    rig.insert(0, 10);
    assertThat(leader.stop(Duration.ofSeconds(20))).isTrue();
    awaitState(standby, State.PAUSED);
    assertThat(rig.consume()).isEmpty();
    assertThat(pause.resume()).isTrue();
    awaitState(standby, State.LEADING);
    awaitEvents(10);
    assertThat(pause.pause("jane", "again")).isTrue();
    awaitState(standby, State.PAUSED);
    rig.insert(10, 20);
    assertThat(standby.status().handover().leaderUntil()).isNotNull();
    await().atMost(Duration.ofSeconds(90)).until(() -> standby.status().retainedWalBytes() > 0);
    assertThat(rig.consume()).hasSize(10);
    assertThat(pause.resume()).isTrue();
    assertThat(pause.resume()).as("nothing to end").isFalse();
    awaitEvents(20);
    assertThatEventsAreExactly(20);
  }

  @Test
  void tellsHowLongATakeoverTook() throws Exception {
    Pipeline leader = rig.start("");
    awaitState(leader, State.LEADING);
    assertThat(leader.status().handover().takeoverSeconds()).as("nobody led before").isZero();
    Pipeline standby = rig.start("");
    awaitState(standby, State.STANDBY);
    assertThat(standby.status().handover())
        .isEqualTo(new PipelineStatus.Handover(null, null, 0, 0, 0, 0));
    leader.stop(Duration.ofSeconds(20));
    awaitState(standby, State.LEADING);
    assertThat(standby.status().handover().takeoverSeconds()).isBetween(0.001, 30.0);
    assertThat(standby.status().handover().stallSeconds()).isZero();
    assertThat(standby.status().handover().takeovers()).isEqualTo(1);
    assertThat(standby.status().handover().leaderSince()).isNotNull();
  }

  @Test
  void atMostOneOfThreeTakesOverForEachCutOfTheLeader() throws Exception {
    List<Pipeline> agents = List.of(rig.start(""), rig.start(""), rig.start(""));
    int written = 0;
    for (int cut = 0; cut < CUTS; cut++) {
      await().atMost(Duration.ofSeconds(90)).until(() -> leaders(agents) == 1);
      rig.insert(written, written + 10);
      written += 10;
      awaitEvents(written);
      rig.execute(
          "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
              + " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())");
    }
    rig.insert(written, written + 10);
    awaitEvents(written + 10);
    assertThatEventsAreExactly(written + 10);
    assertThat(agents.stream().mapToLong(agent -> agent.status().handover().takeovers()).sum())
        .as("one first leader, and at most one more for each cut")
        .isBetween(2L, 1L + CUTS);
  }

  private static long leaders(List<Pipeline> agents) {
    return agents.stream().filter(agent -> agent.status().leader()).count();
  }

  @Test
  void saysThatTheBrokerIsAway() throws Exception {
    Pipeline first = rig.start("");
    awaitState(first, State.LEADING);
    first.stop(Duration.ofSeconds(20));
    Pipeline pipeline = rig.start(rig.configurationWithBroker("localhost:1"));
    awaitState(pipeline, State.WAITING_FOR_BROKER);
    assertThat(pipeline.status().nextTryAt()).isAfter(pipeline.status().since());
    // The log goes on growing meanwhile, so it is watched without a leader too.
    await().atMost(Duration.ofSeconds(90)).until(() -> pipeline.status().retainedWalBytes() > 0);
  }

  @Test
  void saysThatTheDatabaseIsAway() throws Exception {
    Pipeline pipeline = rig.start(rig.configurationWithPort(1));
    awaitState(pipeline, State.WAITING_FOR_DATABASE);
    assertThat(pipeline.status().reason()).contains("refused");
    assertThat(pipeline.status().retainedWalBytes()).isEqualTo(-1);
  }

  @Test
  void waitsForAMissingTopicAndGoesOnOnceItExists() throws Exception {
    Pipeline pipeline = rig.start(rig.parking("{unknownTopic: wait}"));
    awaitState(pipeline, State.LEADING);
    String topic = rig.topic + "-later";
    rig.execute(
        "INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type, topic) VALUES ('a',"
            + " 'k', 'b', '"
            + topic
            + "')");
    awaitState(pipeline, State.MISCONFIGURED);
    assertThat(pipeline.status().reason()).contains("topic " + topic + " does not exist");
    kafka.admin().createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get();
    awaitState(pipeline, State.LEADING);
    await().atMost(Duration.ofSeconds(90)).until(() -> rig.consume(topic).size() == 1);
  }

  @Test
  void refusesAfterThePublicationWasEditedAndBeginsANewEpochAfterAReset() throws Exception {
    Pipeline pipeline = rig.start("");
    awaitState(pipeline, State.LEADING);
    rig.insert(0, 5);
    awaitEvents(5);
    rig.execute(
        "ALTER PUBLICATION outbox_publication DROP TABLE outbox_event",
        "INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type, payload) VALUES"
            + " ('order', 'key-0', 'placed', '{\"n\":5}')",
        "ALTER PUBLICATION outbox_publication ADD TABLE outbox_event");
    awaitState(pipeline, State.STOPPED);
    assertThat(pipeline.status().reason())
        .contains("rows written in between are in no stream")
        .contains("outbox-agent.jar reconcile");
    assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
    Pipeline again = rig.start("");
    awaitState(again, State.STOPPED);
    assertThat(again.stop(Duration.ofSeconds(20))).isTrue();
    long epoch = again.status().epoch();
    new ReconcileRequest(rig.configuration(""), "operator").ask(null);
    rig.execute(
        "INSERT INTO outbox_reconciliation (source, reconciliation, cause)"
            + " SELECT source, 1, 'why' FROM outbox_agent_source");
    new SourceReset(rig.configuration(""), "operator").run();
    assertThat(rig.query("SELECT reconcile_requested_at FROM outbox_agent_source"))
        .as("there is nothing to reconcile any more")
        .isNull();
    assertThat(rig.query("SELECT state FROM outbox_reconciliation")).isEqualTo("superseded");
    Pipeline renewed = rig.start("");
    awaitState(renewed, State.LEADING);
    // The five published before come again, with the same ids; the one in between comes at last.
    awaitEvents(memory == Memory.BROKER ? 11 : 6);
    assertThat(rig.consume().stream().map(r -> PipelineRig.header(r, "ce_id")).distinct())
        .hasSize(6);
    assertThat(renewed.status().epoch()).isGreaterThan(epoch);
  }

  @Test
  void refusesToDropTheSlotUnderALivingLeader() throws Exception {
    Pipeline pipeline = rig.start("");
    awaitState(pipeline, State.LEADING);
    assertThatThrownBy(() -> new SourceReset(rig.configuration(""), "operator").run())
        .hasMessageContaining("an agent leads source")
        .hasMessageContaining("stop every agent");
  }

  @Test
  void skipsOlderRowsWhenToldTo() throws Exception {
    rig.insert(0, 5);
    Pipeline pipeline = rig.start("existingRows: skip");
    awaitState(pipeline, State.LEADING);
    rig.insert(5, 6);
    awaitEvents(1);
    assertThat(rig.consume()).hasSize(1);
  }

  @Test
  void makesPartitionsAheadOfTime() throws Exception {
    rig.execute(
        "DO $$ DECLARE p text; BEGIN FOR p IN SELECT inhrelid::regclass::text FROM pg_inherits"
            + " WHERE inhparent = 'outbox_event'::regclass AND inhrelid::regclass::text ~ '_p[0-9]+$'"
            + " LOOP EXECUTE 'DROP TABLE ' || p; END LOOP; END $$");
    rig.start("");
    await()
        .atMost(Duration.ofSeconds(90))
        .until(
            () ->
                Integer.parseInt(
                        rig.query(
                            "SELECT count(*) FROM pg_inherits WHERE inhparent ="
                                + " 'outbox_event'::regclass"))
                    > 5);
  }

  @Test
  void saysThatThePasswordIsWrong() throws Exception {
    rig.execute("ALTER ROLE outbox_agent PASSWORD 'another'");
    Pipeline pipeline = rig.start("");
    awaitState(pipeline, State.MISCONFIGURED);
    assertThat(pipeline.status().reason())
        .contains("refused the password of role outbox_agent", "fix: ");
    rig.execute("ALTER ROLE outbox_agent PASSWORD 'agent'");
    awaitState(pipeline, State.LEADING);
  }

  @Test
  void saysThatTheAgentsTablesAreMissing() throws Exception {
    rig.execute("DROP TABLE outbox_agent_source");
    Pipeline pipeline = rig.start("");
    awaitState(pipeline, State.MISCONFIGURED);
    assertThat(pipeline.status().reason()).contains("outbox_agent_source", "fix: ");
  }

  @Test
  void showsWhatIsWrongUntilItIsMended() throws Exception {
    rig.execute("REVOKE SELECT ON outbox_event FROM outbox_agent");
    Pipeline pipeline = rig.start("");
    awaitState(pipeline, State.MISCONFIGURED);
    long restarts = pipeline.status().restarts();
    await()
        .pollInterval(Duration.ofMillis(1))
        .atMost(Duration.ofSeconds(90))
        .until(
            () -> {
              assertThat(pipeline.status().state()).isEqualTo(State.MISCONFIGURED);
              assertThat(pipeline.status().reason()).contains("GRANT SELECT");
              return pipeline.status().restarts() > restarts + 2;
            });
    rig.execute("GRANT SELECT ON outbox_event TO outbox_agent");
    awaitState(pipeline, State.LEADING);
    assertThat(pipeline.status().reason()).isEmpty();
  }

  private static void awaitState(Pipeline pipeline, State state) {
    await()
        .atMost(Duration.ofSeconds(90))
        .untilAsserted(
            () ->
                assertThat(pipeline.status().state())
                    .as(pipeline.status().toString())
                    .isEqualTo(state));
  }

  private void awaitEvents(int count) {
    await().atMost(Duration.ofSeconds(90)).until(() -> rig.consume().size() >= count);
  }

  private void assertThatEventsAreExactly(int count) throws Exception {
    List<ConsumerRecord<String, byte[]>> records = rig.consume();
    assertThat(
            records.stream()
                .map(r -> new String(r.value(), java.nio.charset.StandardCharsets.UTF_8)))
        .containsExactlyInAnyOrderElementsOf(
            IntStream.range(0, count).mapToObj(n -> "{\"n\":" + n + "}").toList());
    assertThat(records.stream().map(r -> Long.parseLong(PipelineRig.header(r, "ce_sequence"))))
        .containsExactlyInAnyOrderElementsOf(
            IntStream.rangeClosed(1, count).mapToObj(Long::valueOf).toList());
    assertThat(records)
        .extracting(r -> PipelineRig.header(r, "ce_sourceid"))
        .containsOnly(rig.checkpoint().source().id());
    Map<String, List<Long>> byKey =
        records.stream()
            .collect(
                Collectors.groupingBy(
                    ConsumerRecord::key,
                    Collectors.mapping(
                        r -> Long.parseLong(PipelineRig.header(r, "ce_sequence")),
                        Collectors.toList())));
    byKey.forEach((key, sequences) -> assertThat(sequences).as(key).isSorted());
  }
}
