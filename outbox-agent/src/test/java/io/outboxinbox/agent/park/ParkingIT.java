package io.outboxinbox.agent.park;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.operate.SourceReset;
import io.outboxinbox.agent.pipeline.ParkingRig;
import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.agent.pipeline.PipelineRig.Memory;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Events that cannot be published are set aside in order, and come back in order. */
@ParameterizedClass
@EnumSource(Memory.class)
class ParkingIT {
  @Parameter Memory memory;

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private PipelineRig rig;
  private ParkingRig parked;

  @BeforeEach
  void setUp() throws Exception {
    rig = new PipelineRig(postgres, kafka, memory);
    parked = new ParkingRig(rig);
    rig.execute(
        "ALTER TABLE outbox_event DROP CONSTRAINT outbox_event_aggregate_id_must_not_be_empty",
        "ALTER TABLE outbox_event DROP CONSTRAINT outbox_event_payload_at_most_1000000_bytes",
        "ALTER TABLE outbox_event DROP CONSTRAINT outbox_event_headers_must_be_an_object_of_strings",
        "ALTER TABLE outbox_event DROP CONSTRAINT outbox_event_headers_must_be_fit_to_send",
        "ALTER TABLE outbox_event DROP CONSTRAINT outbox_event_headers_at_most_16384_bytes");
  }

  @AfterEach
  void tearDown() throws Exception {
    parked.close();
    rig.close();
  }

  @Test
  void parksEachKindOfRejectionWhileOtherKeysFlow() throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitState(pipeline, State.LEADING);
    parked.insert("good-1", "a", null, "{}");
    parked.insert("unknown-topic", "b", "no-such-topic", "{}");
    parked.insert("reserved-topic", "c", "outbox-agent-positions", "{}");
    parked.insert("bad-header", "d", null, "{\"ce_id\": \"forged\"}");
    parked.insert("nested-header", "e", null, "{\"a\": {\"b\": 1}}");
    parked.insert("large-header", "f", null, "{\"a\": \"" + "x".repeat(33_000) + "\"}");
    parked.insertLarge("large", "g", null, 1_200_000);
    parked.insert("no-key", "", null, "{}");
    parked.insert("good-2", "a", null, "{}");
    parked.insert("follower", "b", null, "{}");
    parked.awaitPublished("good-1", "good-2");
    parked.awaitWaiting(8);
    assertThat(parked.rows("event_type || ':' || is_behind", "true"))
        .containsExactly(
            "unknown-topic:false",
            "reserved-topic:false",
            "bad-header:false",
            "nested-header:false",
            "large-header:false",
            "large:false",
            "no-key:false",
            "follower:true");
    assertThat(parked.rows("coalesce(key, 'none')", "true"))
        .containsExactly("b", "c", "d", "e", "f", "g", "none", "b");
    assertThat(parked.rows("reason", "true"))
        .satisfiesExactly(
            reason -> assertThat(reason).contains("topic no-such-topic does not exist"),
            reason -> assertThat(reason).contains("belongs to the agent itself"),
            reason -> assertThat(reason).contains("header name 'ce_id' is reserved"),
            reason -> assertThat(reason).contains("has a value that is not a scalar at 'a'"),
            reason -> assertThat(reason).contains("headers exceed 32768 bytes"),
            reason -> assertThat(reason).contains("exceeds the limit of"),
            reason -> assertThat(reason).contains("column aggregate_id is empty"),
            reason -> assertThat(reason).contains("waits behind"));
    assertThat(parked.rows("ordinal::text", "true"))
        .containsExactlyElementsOf(IntStream.rangeClosed(1, 8).mapToObj(String::valueOf).toList());
    assertThat(parked.rows("length(payload)::text", "event_type = 'large'"))
        .containsExactly("1200000");
    assertThat(parked.sequences()).hasSize(2);
    rig.assertThatNumbersFit(parked.sequences());
    assertThat(pipeline.status().state()).isEqualTo(State.LEADING);
    await()
        .atMost(Duration.ofSeconds(90))
        .untilAsserted(
            () -> {
              assertThat(pipeline.status().parkedWaiting()).isEqualTo(8);
              assertThat(pipeline.status().parkedKeys()).isEqualTo(6);
              assertThat(pipeline.status().parkedTotal()).isEqualTo(8);
              assertThat(pipeline.status().parkedOldestAt()).isNotNull();
            });
  }

  @Test
  void keepsKeysHeldAcrossRestartsAndReleasesThemInOrder() throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitState(pipeline, State.LEADING);
    parked.insert("k1", "k", "later", "{}");
    parked.insert("k2", "k", null, "{}");
    parked.awaitWaiting(2);
    assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
    parked.insert("k3", "k", null, "{}");
    parked.insert("other", "o", null, "{}");
    Pipeline again = rig.start("");
    rig.awaitState(again, State.LEADING);
    parked.awaitPublished("other");
    parked.awaitWaiting(3);
    rig.execute(
        "UPDATE outbox_parked SET topic = NULL, requested = 'release' WHERE event_type = 'k1'");
    parked.awaitPublished("other", "k1", "k2", "k3");
    parked.awaitWaiting(0);
    parked.insert("k4", "k", null, "{}");
    parked.awaitPublished("other", "k1", "k2", "k3", "k4");
    assertThat(parked.publishedOf("k")).containsExactly("k1", "k2", "k3", "k4");
    rig.assertThatNumbersFit(parked.sequences());
    assertThat(parked.rows("state", "true")).containsOnly("released");
    assertThat(parked.rows("published_sequence::text", "true"))
        .isEqualTo(parked.sequencesOf("k").subList(0, 3));
    assertThat(again.status().parkedKeys()).isZero();
    assertThat(parked.headers("outbox_parked_at")).hasSize(3);
  }

  @Test
  void keepsOrderWhileEventsOfTheKeyArriveDuringTheRelease() throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitState(pipeline, State.LEADING);
    parked.insert("e0", "k", "later", "{}");
    for (int i = 1; i < 1500; i++) {
      parked.insert("e" + i, "k", null, "{}");
      if (i == 600) {
        rig.execute(
            "UPDATE outbox_parked SET topic = NULL, requested = 'release' WHERE event_type = 'e0'");
      }
    }
    await()
        .atMost(Duration.ofSeconds(60))
        .untilAsserted(
            () ->
                assertThat(parked.publishedOf("k")).as(pipeline.status().toString()).hasSize(1500));
    assertThat(parked.publishedOf("k"))
        .containsExactlyElementsOf(IntStream.range(0, 1500).mapToObj(i -> "e" + i).toList());
    await()
        .atMost(Duration.ofSeconds(60))
        .untilAsserted(() -> assertThat(pipeline.status().parkedKeys()).isZero());
    // How many were parked depends on who was quicker; now nothing is held any more.
    parked.insert("after", "k", null, "{}");
    await()
        .atMost(Duration.ofSeconds(60))
        .untilAsserted(() -> assertThat(parked.publishedOf("k")).endsWith("after"));
    assertThat(parked.rows("event_type", "event_type = 'after'")).isEmpty();
  }

  @Test
  void discardsWithoutPublishingAndLetsTheFollowersGo() throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitState(pipeline, State.LEADING);
    parked.insert("bad", "k", "later", "{}");
    parked.insert("k2", "k", null, "{}");
    parked.insert("alone", "l", "later", "{}");
    parked.insert("no-key", "", null, "{}");
    parked.awaitWaiting(4);
    rig.execute("UPDATE outbox_parked SET requested = 'discard' WHERE NOT is_behind");
    parked.awaitPublished("k2");
    parked.awaitWaiting(0);
    parked.insert("l2", "l", null, "{}");
    parked.awaitPublished("k2", "l2");
    assertThat(parked.rows("state", "NOT is_behind")).containsOnly("discarded");
  }

  @Test
  void releasesABadRowOnceItIsCorrectedAndRefusesItUntilThen() throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitState(pipeline, State.LEADING);
    parked.insert("no-key", "", null, "{}");
    parked.insert("nested", "n", null, "{\"a\": {\"b\": 1}}");
    parked.insert("follower", "n", null, "{}");
    parked.awaitWaiting(3);
    rig.execute("UPDATE outbox_parked SET requested = 'release' WHERE NOT is_behind");
    await()
        .atMost(Duration.ofSeconds(90))
        .until(() -> parked.rows("event_type", "attempts = 2 AND requested IS NULL").size() == 2);
    assertThat(parked.publishedIn(rig.topic)).isEmpty();
    rig.execute(
        "UPDATE outbox_parked SET aggregate_id = 'now', requested = 'release' WHERE key IS NULL",
        "UPDATE outbox_parked SET headers = '{\"a\": \"b\"}', requested = 'release' WHERE event_type = 'nested'");
    parked.awaitPublished("no-key", "nested", "follower");
    assertThat(parked.publishedOf("now")).containsExactly("no-key");
    assertThat(parked.publishedOf("n")).containsExactly("nested", "follower");
    assertThat(parked.headers("a")).containsExactly("b");
    parked.awaitWaiting(0);
  }

  @Test
  void anEventThatOnlyWaitedIsACulpritOnceItIsRefusedItself() throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitState(pipeline, State.LEADING);
    parked.insert("first", "k", "later", "{}");
    parked.insert("second", "k", "later", "{}");
    parked.insert("third", "k", null, "{}");
    parked.awaitWaiting(3);
    rig.execute(
        "UPDATE outbox_parked SET topic = NULL, requested = 'release' WHERE event_type = 'first'");
    parked.awaitPublished("first");
    await()
        .atMost(Duration.ofSeconds(90))
        .until(() -> parked.rows("event_type", "NOT is_behind AND state = 'waiting'").size() == 1);
    assertThat(parked.rows("event_type || is_behind", "state = 'waiting'"))
        .containsExactly("secondfalse", "thirdtrue");
    try (Admin admin = kafka.admin()) {
      admin.createTopics(List.of(new NewTopic("later", 1, (short) 1))).all().get();
      await()
          .atMost(Duration.ofSeconds(90))
          .until(
              () -> {
                rig.execute(
                    "UPDATE outbox_parked SET requested = 'release'"
                        + " WHERE event_type = 'second' AND state = 'waiting'");
                return parked.rows("event_type", "state = 'waiting'").isEmpty();
              });
      assertThat(parked.publishedIn("later")).containsExactly("second");
      // Other tests rely on its not being there.
      admin.deleteTopics(List.of("later")).all().get();
    }
  }

  @Test
  void anOperatorsOpenTransactionDelaysOnlyTheKeyItHasLocked() throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitState(pipeline, State.LEADING);
    parked.insert("a1", "a", "later", "{}");
    parked.insert("b1", "b", "later", "{}");
    parked.insert("b2", "b", null, "{}");
    parked.awaitWaiting(3);
    rig.execute("UPDATE outbox_parked SET topic = NULL, requested = 'release' WHERE NOT is_behind");
    try (var operator = rig.database.connect()) {
      operator.setAutoCommit(false);
      try (var statement = operator.createStatement()) {
        statement.execute("SELECT 1 FROM outbox_parked WHERE event_type = 'a1' FOR UPDATE");
      }
      parked.awaitPublishedAtLeast("b1", "b2");
      parked.insert("c1", "c", null, "{}");
      parked.awaitPublishedAtLeast("c1");
      operator.rollback();
    }
    parked.awaitPublishedAtLeast("a1");
    parked.awaitWaiting(0);
    assertThat(pipeline.status().restarts()).isZero();
  }

  @Test
  void parksRowsOfTheBacklogToo() throws Exception {
    parked.insert("old-bad", "k", "later", "{}");
    parked.insert("old-behind", "k", null, "{}");
    parked.insert("old-good", "l", null, "{}");
    Pipeline pipeline = rig.start("");
    rig.awaitState(pipeline, State.LEADING);
    parked.awaitPublished("old-good");
    parked.awaitWaiting(2);
    rig.execute(
        "UPDATE outbox_parked SET topic = NULL, requested = 'release' WHERE event_type = 'old-bad'");
    parked.awaitPublished("old-good", "old-bad", "old-behind");
  }

  @Test
  void waitsAtAFloodAndGoesOnOnceItIsMended() throws Exception {
    Pipeline pipeline = rig.start(rig.parking("{perMinute: 3}"));
    rig.awaitState(pipeline, State.LEADING);
    String topic = rig.topic + "-flood";
    for (int i = 0; i < 20; i++) {
      parked.insert("e" + i, "k" + i, topic, "{}");
    }
    rig.awaitState(pipeline, State.PAUSED);
    assertThat(pipeline.status().reason()).contains("more than 3 events were refused", topic);
    long restarts = pipeline.status().restarts();
    await().atMost(Duration.ofSeconds(90)).until(() -> pipeline.status().restarts() > restarts + 2);
    assertThat(parked.rows("event_type", "true")).containsExactly("e0", "e1", "e2");
    try (Admin admin = kafka.admin()) {
      admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get();
    }
    await().atMost(Duration.ofSeconds(90)).until(() -> parked.publishedIn(topic).size() == 17);
    rig.execute("UPDATE outbox_parked SET requested = 'release'");
    await().atMost(Duration.ofSeconds(90)).until(() -> parked.publishedIn(topic).size() == 20);
  }

  @Test
  void takesBackWhatNoPositionCoversAndKeepsWhatAnEarlierEpochParked() throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitState(pipeline, State.LEADING);
    parked.insert("bad", "k", "later", "{}");
    parked.awaitWaiting(1);
    assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
    // What an agent leaves that dies between the table and the broker.
    rig.execute(
        "INSERT INTO outbox_parked (source, ordinal, event_id, key, reason, is_behind, epoch, xid, lsn, committed_at)"
            + " SELECT source, 2, 'x', 'l', 'r', false, epoch, 1, '0/1', now() FROM outbox_parked");
    Pipeline again = rig.start("");
    rig.awaitState(again, State.LEADING);
    parked.insert("l1", "l", null, "{}");
    parked.awaitPublished("l1");
    parked.awaitWaiting(1);
    assertThat(again.stop(Duration.ofSeconds(20))).isTrue();
    new SourceReset(rig.configuration(""), "operator").run();
    rig.execute("DELETE FROM outbox_event");
    Pipeline renewed = rig.start("");
    rig.awaitState(renewed, State.LEADING);
    parked.awaitWaiting(1);
    parked.insert("worse", "m", "later", "{}");
    parked.awaitWaiting(2);
    assertThat(parked.rows("ordinal::text", "true")).containsExactly("1", "2");
    assertThat(parked.rows("count(DISTINCT epoch)::text", "true")).containsExactly("2");
  }
}
