package io.outboxinbox.agent.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.HeaderNames;
import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.agent.pipeline.PipelineRig.Memory;
import io.outboxinbox.agent.pipeline.PipelineStatus;
import io.outboxinbox.agent.pipeline.TwoTables;
import io.outboxinbox.agent.source.outbox.StoredRows.Selection;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresServer;
import io.outboxinbox.testkit.PostgresStandby;
import io.outboxinbox.testkit.PostgresVersion;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Replays beside a leader, and what is left out of them. */
@ParameterizedClass
@EnumSource(Memory.class)
class ReplayIT {
  @Parameter Memory memory;

  private static final Selection ORDERS = new Selection(null, null, List.of(), "order", null);

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private PipelineRig rig;
  private PipelineConfiguration configuration;

  @BeforeEach
  void setUp() throws Exception {
    rig = new PipelineRig(postgres, kafka, memory);
    configuration = rig.configuration("");
  }

  @AfterEach
  void tearDown() throws Exception {
    rig.close();
  }

  private static Replay.Order order(Selection selection, String topic, String after) {
    return new Replay.Order("again-1", null, selection, topic, 100_000, after);
  }

  private Pipeline leader() {
    Pipeline pipeline = rig.start(configuration);
    await()
        .atMost(Duration.ofSeconds(60))
        .until(() -> pipeline.status().state() == PipelineStatus.State.LEADING);
    return pipeline;
  }

  /** Publishes events, and waits until a replay would take them for published. */
  private void published(int count) throws Exception {
    rig.insert(0, count);
    String later = kafka.newTopic("probe", 1);
    await()
        .atMost(Duration.ofSeconds(60))
        .until(
            () ->
                new Replay(configuration)
                        .run(order(ORDERS, later, null), progress -> {})
                        .published()
                    == count);
  }

  private List<ConsumerRecord<String, byte[]>> replayed(String topic) {
    return rig.consume(topic).stream()
        .filter(record -> record.headers().lastHeader(HeaderNames.REPLAY_ID) != null)
        .toList();
  }

  private static List<String> ids(List<ConsumerRecord<String, byte[]>> records) {
    return records.stream().map(record -> PipelineRig.header(record, "ce_id")).toList();
  }

  @Test
  void publishesAgainWithTheSameIdsAndDoesNotDisturbTheLeader() throws Exception {
    Pipeline leader = leader();
    published(50);
    long restarts = leader.status().restarts();
    Replay.Progress done = new Replay(configuration).run(order(ORDERS, null, null), p -> {});
    assertThat(done.published()).isEqualTo(50);
    assertThat(done.rows()).isEqualTo(50);
    List<ConsumerRecord<String, byte[]>> again = replayed(rig.topic);
    assertThat(again)
        .hasSize(50)
        .allSatisfy(
            record -> {
              assertThat(PipelineRig.header(record, HeaderNames.REPLAY_ID)).isEqualTo("again-1");
              assertThat(record.headers().lastHeader("ce_sequence")).isNull();
              assertThat(record.headers().lastHeader("ce_epoch")).isNull();
              assertThat(PipelineRig.header(record, "ce_sourceid"))
                  .isEqualTo(rig.checkpoint().source().id());
            });
    List<ConsumerRecord<String, byte[]>> first = new ArrayList<>(rig.consume());
    first.removeIf(record -> record.headers().lastHeader(HeaderNames.REPLAY_ID) != null);
    assertThat(ids(again)).containsExactlyInAnyOrderElementsOf(ids(first));
    assertThat(again.stream().map(ConsumerRecord::key).distinct()).hasSize(5);
    rig.insert(50, 60);
    await().atMost(Duration.ofSeconds(90)).until(() -> rig.consume().size() == 110);
    assertThat(leader.status().restarts()).isEqualTo(restarts);
    assertThat(leader.status().lastSequence()).isEqualTo(60);
  }

  @Test
  void leavesOutWhatIsParkedOrNotYetPublished() throws Exception {
    Pipeline leader = leader();
    published(5);
    assertThat(leader.stop(Duration.ofSeconds(20))).isTrue();
    rig.execute(
        "INSERT INTO outbox_parked (source, ordinal, event_id, reason, is_behind, epoch, xid, lsn, committed_at)"
            + " SELECT 's', 1, id::text, 'why', false, 1, 1, '0/1', now() FROM outbox_event LIMIT 1");
    rig.insert(5, 8);
    Replay.Progress done = new Replay(configuration).run(order(ORDERS, null, null), p -> {});
    assertThat(done.published()).isEqualTo(4);
    assertThat(done.parked()).isEqualTo(1);
    assertThat(done.unpublished()).isEqualTo(3);
    assertThat(replayed(rig.topic)).hasSize(4);
  }

  /** The ids of its transactions were given to others before, which the position has passed. */
  @Test
  void copiesNothingOfARestoredServerThatWasNeverPublished() throws Exception {
    try (PostgresServer primary = PostgresServer.start(PostgresVersion.V17);
        PipelineRig restored = PipelineRig.on(primary, kafka)) {
      Pipeline pipeline = restored.start("");
      restored.awaitLeading(pipeline);
      restored.insert(0, 5);
      restored.awaitEvents(5);
      // A copy that was cut off and is promoted is a restored backup.
      try (PostgresStandby backup =
          PostgresStandby.of(primary, PostgresStandby.Options.named("backup"))) {
        backup.awaitReplayed();
        backup.disconnect();
        restored.insert(5, 8);
        restored.awaitEvents(8);
        restored.await(() -> restored.checkpoint().endedXid() > restored.xidOf(7));
        assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
        primary.stop();
        backup.promote();
        restored.moveTo(backup.server());
        restored.insert(8, 10);
        assertThat(restored.xidOf(9)).isLessThan(restored.checkpoint().endedXid());
        Replay.Progress done =
            new Replay(restored.configuration("")).run(order(ORDERS, null, null), p -> {});
        assertThat(done.published()).isZero();
        assertThat(done.unpublished()).isEqualTo(7);
        assertThat(restored.consume()).hasSize(8);
      }
    }
  }

  /** Of one that was parked twice, one copy is released and the other discarded. */
  @Test
  void leavesOutWhatWasDiscardedAndNotWhatWasReleased() throws Exception {
    leader();
    published(5);
    rig.execute(
        """
        INSERT INTO outbox_parked (source, ordinal, event_id, reason, is_behind, epoch, xid, lsn,
          committed_at, state, settled_at)
        SELECT 's', n, id::text, 'why', false, 1, 1, '0/1', now(), state, now()
        FROM (SELECT id, row_number() OVER (ORDER BY id) AS row FROM outbox_event) event
        JOIN (VALUES (1, 1, 'discarded'), (2, 2, 'discarded'), (3, 2, 'released'),
                (4, 3, 'released')) parked(n, row, state) USING (row)
        """);
    Replay.Progress done = new Replay(configuration).run(order(ORDERS, null, null), p -> {});
    assertThat(done.published()).isEqualTo(4);
    assertThat(done.discarded()).isEqualTo(1);
    assertThat(done.parked()).isZero();
    assertThat(done.rows()).isEqualTo(5);
    assertThat(replayed(rig.topic)).hasSize(4);
  }

  @Test
  void choosesByTimeIdAndAggregateAndGoesOnBehindAnEvent() throws Exception {
    leader();
    Instant before = Instant.now().minusSeconds(3600);
    published(20);
    Replay replay = new Replay(configuration);
    List<String> all = ids(rig.consume()).stream().sorted().toList();
    assertThat(replay.count(order(new Selection(before, null, List.of(), null, null), null, null)))
        .isEqualTo(20);
    assertThat(replay.count(order(new Selection(null, before, List.of(), null, null), null, null)))
        .isZero();
    assertThat(
            replay.count(order(new Selection(null, null, List.of(), "order", "key-1"), null, null)))
        .isEqualTo(4);
    assertThat(
            replay.count(
                order(new Selection(null, null, all.subList(0, 3), null, null), null, null)))
        .isEqualTo(3);
    assertThat(replay.count(order(ORDERS, null, all.get(11)))).isEqualTo(8);
    assertThatThrownBy(
            () ->
                replay.count(
                    order(new Selection(null, null, List.of("x"), null, null), null, null)))
        .isInstanceOf(AgentException.Misconfigured.class)
        .hasMessageContaining("correct the ids");
    String other = kafka.newTopic("other", 1);
    List<Replay.Progress> seen = new ArrayList<>();
    Replay rest = new Replay(configuration);
    rest.run(order(ORDERS, other, all.get(11)), seen::add);
    assertThat(ids(replayed(other))).isEqualTo(all.subList(12, 20));
    assertThat(rest.progress().lastId()).isEqualTo(all.get(19));
    assertThat(seen).isNotEmpty();
    assertThat(replayed(rig.topic)).isEmpty();
  }

  @Test
  void countsWhatIsRefusedAndRefusesTopicsOfTheAgent() throws Exception {
    leader();
    published(3);
    Replay replay = new Replay(configuration);
    Replay.Progress done = replay.run(order(ORDERS, rig.topic + "-missing", null), p -> {});
    assertThat(done.refused()).isEqualTo(3);
    assertThat(done.published()).isZero();
    assertThat(replay.refusals()).hasSize(3).allMatch(reason -> reason.contains("does not exist"));
    assertThatThrownBy(
            () -> new Replay(configuration).count(order(ORDERS, "outbox-agent-positions", null)))
        .isInstanceOf(AgentException.Misconfigured.class)
        .hasMessageContaining("outbox-agent-positions");
  }

  /** An id alone is no place in several tables, and one table's parked event is not the other's. */
  @Test
  void replaysOneOfSeveralTables() throws Exception {
    TwoTables tables = new TwoTables(rig);
    configuration = rig.configuration("");
    leader();
    tables.insert(0, 10, true);
    String probe = kafka.newTopic("probe", 1);
    await()
        .atMost(Duration.ofSeconds(60))
        .until(() -> replayed("outbox_event", probe).published() == 5);
    rig.execute(
        "INSERT INTO event SELECT * FROM outbox_event",
        """
        INSERT INTO outbox_parked (source, ordinal, event_id, reason, is_behind, epoch, xid, lsn,
          committed_at, source_table)
        SELECT 's', 1, id::text, 'why', false, 1, 1, '0/1', now(), 'event' FROM outbox_event LIMIT 1
        """);
    String other = kafka.newTopic("other", 1);
    await().atMost(Duration.ofSeconds(60)).until(() -> replayed("event", probe).published() == 9);
    Replay.Progress events = replayed("event", other);
    assertThat(events.published()).isEqualTo(9);
    assertThat(events.parked()).isEqualTo(1);
    assertThat(replayed(other))
        .hasSize(9)
        .allMatch(record -> PipelineRig.header(record, "outbox_table").equals("event"));
    assertThat(replayed("outbox_event", other).published()).isEqualTo(5);
    assertThatThrownBy(() -> new Replay(configuration).count(order(ORDERS, null, null)))
        .isInstanceOf(AgentException.Misconfigured.class)
        .hasMessageContaining("add --table with one of these: outbox_event, event");
    assertThatThrownBy(() -> replayed("gone", other))
        .isInstanceOf(AgentException.Misconfigured.class)
        .hasMessageContaining("table gone is not configured");
  }

  /** Nobody has published its rows yet, however old their transactions are. */
  @Test
  void takesNoRowOfATableThatThePositionDoesNotCoverForPublished() throws Exception {
    new TwoTables(rig);
    PipelineConfiguration both = rig.configuration("");
    rig.execute(TwoTables.insert("event", 1));
    rig.names = TwoTables.ONE;
    configuration = rig.configuration("");
    leader();
    published(5);
    configuration = both;
    Replay.Progress done = replayed("event", kafka.newTopic("other", 1));
    assertThat(done.published()).isZero();
    assertThat(done.unpublished()).isEqualTo(1);
  }

  private Replay.Progress replayed(String table, String to) throws Exception {
    return new Replay(configuration)
        .run(new Replay.Order("again-1", table, ORDERS, to, 100_000, null), progress -> {});
  }

  private static final class CutShort extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  /** Rows that share an id, or have ids the type takes for equal, are one place in the order. */
  @Test
  void goesOnBehindNoRowItHasNotDealtWithWhereverItIsCutShort() throws Exception {
    rig.execute(
        "CREATE EXTENSION citext",
        "CREATE TABLE odd (LIKE outbox_event INCLUDING DEFAULTS)",
        "ALTER TABLE odd ALTER COLUMN id DROP DEFAULT",
        "ALTER TABLE odd ALTER COLUMN id TYPE citext",
        "GRANT SELECT ON odd TO outbox_agent",
        "ALTER PUBLICATION outbox_publication SET TABLE odd",
        "INSERT INTO odd (id, aggregate_type, aggregate_id, event_type, payload)"
            + " SELECT i, 'order', n, 't', '{}' FROM unnest(ARRAY['a', 'a', 'B', 'b', 'c'])"
            + " WITH ORDINALITY r(i, n)");
    PipelineConfiguration odd = rig.configuration("table: odd");
    for (int portions = 1; portions <= 5; portions++) {
      String to = kafka.newTopic("cut", 1);
      Replay cut = new Replay(odd);
      int[] left = {portions};
      assertThatThrownBy(
              () ->
                  cut.run(
                      new Replay.Order("again-1", null, ORDERS, to, 3, null),
                      progress -> {
                        if (--left[0] == 0) {
                          throw new CutShort();
                        }
                      }))
          .isInstanceOf(CutShort.class);
      new Replay(odd).run(order(ORDERS, to, cut.progress().lastId()), progress -> {});
      assertThat(replayed(to).stream().map(ConsumerRecord::key))
          .as("cut short after %d portions, at %s", portions, cut.progress().lastId())
          .contains("1", "2", "3", "4", "5");
    }
  }
}
