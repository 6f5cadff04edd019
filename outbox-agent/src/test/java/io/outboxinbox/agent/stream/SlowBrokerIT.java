package io.outboxinbox.agent.stream;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.pipeline.CrashingPublishing;
import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.agent.replay.Replay;
import io.outboxinbox.agent.source.outbox.StoredRows.Selection;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaAlteration.Op;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a broker cannot take within the time it allows goes in smaller portions. */
class SlowBrokerIT {
  private static final Duration WITHIN = Duration.ofMinutes(4);
  private static final int EVENTS = 1200;

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
    quota(null);
  }

  @Test
  void publishesATransactionTheBrokersQuotaDoesNotLetThroughInTime() throws Exception {
    Pipeline pipeline = rig.start(impatient());
    rig.awaitLeading(pipeline);
    quota(100_000.0);
    insert(1000);
    awaitEvents(EVENTS);
    rig.awaitLeading(pipeline);
    assertThatEachCameOnce();
  }

  @Test
  void publishesOlderRowsTheBrokersQuotaDoesNotLetThroughInTime() throws Exception {
    insert(1000);
    quota(100_000.0);
    Pipeline pipeline = rig.start(impatient());
    awaitEvents(EVENTS);
    rig.awaitLeading(pipeline);
    assertThatEachCameOnce();
  }

  @Test
  void replaysWhatTheBrokersQuotaDoesNotLetThroughInTime() throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitLeading(pipeline);
    insert(1000);
    awaitEvents(EVENTS);
    // Until the position says so, a replay does not take them for published.
    String probe = kafka.newTopic("probe", 1);
    await()
        .atMost(WITHIN)
        .until(() -> new Replay(impatient()).run(order(probe), p -> {}).published() == EVENTS);
    String topic = kafka.newTopic("again", 1);
    quota(100_000.0);
    assertThat(new Replay(impatient()).run(order(topic), p -> {}).published()).isEqualTo(EVENTS);
    assertThat(ids(rig.consume(topic)).stream().distinct()).hasSize(EVENTS);
  }

  private static Replay.Order order(String topic) {
    return new Replay.Order(
        "again-1", null, new Selection(null, null, List.of(), "order", null), topic, 100_000, null);
  }

  @Test
  void doesNotTakeASlowPublishForALogThatHasStopped() throws Exception {
    PipelineConfiguration usual = rig.configuration("");
    Duration longerThanAStall = usual.leadership().stallAfter().plusSeconds(1);
    AtomicInteger slow = new AtomicInteger(2);
    CrashingPublishing broker =
        new CrashingPublishing(
            usual.publish(),
            (batch, after) -> {
              if (!batch.isEmpty() && slow.getAndDecrement() > 0) {
                LockSupport.parkNanos(longerThanAStall.toNanos());
              }
              return CrashingPublishing.Crash.NONE;
            });
    Pipeline pipeline = rig.start(broker.in(usual));
    rig.awaitLeading(pipeline);
    rig.insert(0, 10);
    awaitEvents(10);
    rig.insert(10, 20);
    awaitEvents(20);
    rig.insert(20, 30);
    awaitEvents(30);
    assertThat(pipeline.status().restarts()).as(pipeline.status().toString()).isZero();
  }

  private static List<String> ids(List<ConsumerRecord<String, byte[]>> records) {
    return records.stream().map(record -> PipelineRig.header(record, "ce_id")).toList();
  }

  private void assertThatEachCameOnce() {
    List<ConsumerRecord<String, byte[]>> records = rig.consume();
    assertThat(ids(records)).doesNotHaveDuplicates().hasSize(EVENTS);
    assertThat(records)
        .extracting(record -> Long.valueOf(PipelineRig.header(record, "ce_sequence")))
        .doesNotHaveDuplicates()
        .contains(1L, (long) EVENTS);
  }

  private void awaitEvents(int count) {
    await().atMost(WITHIN).until(() -> rig.consume().size() >= count);
  }

  /** One transaction of {@value #EVENTS} events. */
  private void insert(int payloadBytes) throws Exception {
    // Random, so that no compression on the way makes it small.
    rig.execute(
        """
        INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type, payload)
        SELECT 'order', n %% 5, 'placed', to_json(left(string_agg(md5(n || '-' || m), ''), %d))
        FROM generate_series(1, %d) n, generate_series(1, %d) m GROUP BY n
        """
            .formatted(payloadBytes, EVENTS, payloadBytes / 32 + 1));
  }

  /** A pipeline whose broker gives a transaction up soon. */
  private PipelineConfiguration impatient() throws Exception {
    PipelineConfiguration usual = rig.configuration("");
    return new PipelineConfiguration(
        usual.name(),
        usual.source(),
        usual.route(),
        rig.publish("transactionTimeout: 5s"),
        usual.batch(),
        usual.leadership(),
        usual.retry(),
        usual.parking(),
        usual.wal(),
        usual.retention());
  }

  /** Bytes a second the broker takes from each client; null for any. */
  private static void quota(Double bytesPerSecond) throws Exception {
    ClientQuotaEntity everyClient =
        new ClientQuotaEntity(Collections.singletonMap(ClientQuotaEntity.CLIENT_ID, null));
    try (Admin admin = kafka.admin()) {
      admin
          .alterClientQuotas(
              List.of(
                  new ClientQuotaAlteration(
                      everyClient, List.of(new Op("producer_byte_rate", bytesPerSecond)))))
          .all()
          .get();
    }
  }
}
