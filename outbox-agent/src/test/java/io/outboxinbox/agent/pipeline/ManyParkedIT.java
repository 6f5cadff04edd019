package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A hundred thousand parked events on one key cost neither heap nor queries until they may go. */
class ManyParkedIT {
  private static final int EVENTS = 100_000;

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  @Test
  void waitsAtNoCostAndReleasesAllInOrder() throws Exception {
    PipelineRig rig = new PipelineRig(postgres, kafka);
    try (ParkingRig parked = new ParkingRig(rig)) {
      rig.execute(
          """
          INSERT INTO outbox_parked
            (source, ordinal, event_id, aggregate_type, aggregate_id, event_type, payload,
             content_type, key, reason, is_behind, epoch, xid, lsn, committed_at)
          SELECT system_identifier || '/' || current_database() || '/outbox_publication', i,
                 gen_random_uuid()::text, 'order', 'k', 'e' || i,
                 convert_to('{"n":' || i || ',"filler":"' || repeat('x', 300) || '"}', 'UTF8'),
                 'application/json', 'k', 'r', i > 1, 1, 1, '0/1', now()
          FROM pg_control_system(), generate_series(1, %d) i
          """
              .formatted(EVENTS));
      long heapBefore = usedHeap();
      long started = System.nanoTime();
      Pipeline pipeline = rig.start("");
      rig.awaitState(pipeline, State.LEADING);
      System.out.println("led after " + millisSince(started) + " ms");
      assertThat(pipeline.status().parkedWaiting()).isEqualTo(EVENTS);
      assertThat(pipeline.status().parkedKeys()).isEqualTo(1);
      assertThat(usedHeap() - heapBefore).isLessThan(48L << 20);
      parked.insert("good", "other", null, "{}");
      parked.insert("last", "k", null, "{}");
      parked.awaitPublished("good");
      assertThatBlockedEventsAreNotReadOverAndOver(rig, parked);
      started = System.nanoTime();
      rig.execute("UPDATE outbox_parked SET requested = 'release' WHERE ordinal = 1");
      await()
          .atMost(Duration.ofMinutes(4))
          .pollInterval(Duration.ofSeconds(1))
          .untilAsserted(() -> assertThat(pipeline.status().parkedWaiting()).isZero());
      System.out.println("released " + EVENTS + " in " + millisSince(started) + " ms");
      assertThat(pipeline.status().parkedKeys()).isZero();
      List<String> types = typesOf(rig, "k");
      assertThat(types).hasSize(EVENTS + 1);
      for (int i = 0; i < EVENTS; i++) {
        assertThat(types.get(i)).isEqualTo("e" + (i + 1));
      }
      assertThat(types.get(EVENTS)).isEqualTo("last");
    } finally {
      rig.close();
    }
  }

  private static void assertThatBlockedEventsAreNotReadOverAndOver(
      PipelineRig rig, ParkingRig parked) throws Exception {
    long before = rowsRead(parked);
    for (int i = 0; i < 3; i++) {
      parked.insert("tick" + i, "other", null, "{}");
      String tick = "tick" + i;
      await()
          .pollDelay(Duration.ofSeconds(1))
          .atMost(Duration.ofSeconds(30))
          .until(() -> typesOf(rig, "other").contains(tick));
    }
    assertThat(rowsRead(parked) - before).isLessThan(10_000);
  }

  private static List<String> typesOf(PipelineRig rig, String key) {
    return rig.consume().stream()
        .filter(record -> record.key().equals(key))
        .map((ConsumerRecord<String, byte[]> record) -> PipelineRig.header(record, "ce_type"))
        .toList();
  }

  private static long rowsRead(ParkingRig parked) throws Exception {
    return Long.parseLong(
        parked.query(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables"
                + " WHERE relname = 'outbox_parked'"));
  }

  private static long usedHeap() {
    System.gc();
    return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
  }

  private static long millisSince(long nanos) {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - nanos);
  }
}
