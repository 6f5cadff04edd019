package io.outboxinbox.agent.park;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.pipeline.ParkingRig;
import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.agent.source.table.ParkedEvent;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import javax.management.ObjectName;
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
      // Statistics of a session arrive whenever it likes, and all of them once it has ended. So two
      // whole lives of an agent are compared: reading everything at its start costs both the same.
      long readOnceByAnAgent = rowsReadByAnAgentThatPublishes(rig, parked, List.of("good"));
      assertThat(
              rowsReadByAnAgentThatPublishes(
                  rig, parked, List.of("tick1", "tick2", "tick3", "tick4")))
          .isLessThan(readOnceByAnAgent + 10_000);
      Pipeline pipeline = rig.start("");
      rig.awaitState(pipeline, State.LEADING);
      assertThat(pipeline.status().parkedWaiting()).isEqualTo(EVENTS);
      assertThat(pipeline.status().parkedKeys()).isEqualTo(1);
      assertThat(inHeap(ParkedEvent.class)).isLessThan(EVENTS / 100);
      assertThat(inHeap(OutboxEvent.class)).isLessThan(EVENTS / 100);
      parked.insert("last", "k", null, "{}");
      long started = System.nanoTime();
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

  /** How many rows of the parked table an agent read from its start to its end. */
  private static long rowsReadByAnAgentThatPublishes(
      PipelineRig rig, ParkingRig parked, List<String> types) throws Exception {
    long before = rowsRead(parked);
    Pipeline pipeline = rig.start("");
    for (String type : types) {
      parked.insert(type, "other", null, "{}");
      parked.awaitPublishedAtLeast(type);
    }
    rig.awaitState(pipeline, State.LEADING);
    pipeline.stop(Duration.ofMinutes(1));
    await()
        .atMost(Duration.ofMinutes(1))
        .until(
            () ->
                parked
                    .query(
                        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                            + " AND usename = 'outbox_agent'")
                    .equals("0"));
    return rowsRead(parked) - before;
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

  /** How many objects of a class are reachable; the JVM collects garbage before it counts. */
  private static long inHeap(Class<?> type) throws Exception {
    String histogram =
        (String)
            ManagementFactory.getPlatformMBeanServer()
                .invoke(
                    new ObjectName("com.sun.management:type=DiagnosticCommand"),
                    "gcClassHistogram",
                    new Object[] {new String[0]},
                    new String[] {String[].class.getName()});
    return histogram
        .lines()
        .map(line -> line.trim().split("\\s+"))
        .filter(words -> words.length > 3 && words[3].equals(type.getName()))
        .mapToLong(words -> Long.parseLong(words[1]))
        .sum();
  }

  private static long millisSince(long nanos) {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - nanos);
  }
}
