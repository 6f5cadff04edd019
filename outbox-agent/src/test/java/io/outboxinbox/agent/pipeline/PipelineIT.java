package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class PipelineIT {
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

  private static void awaitState(Pipeline pipeline, State state) {
    await()
        .atMost(Duration.ofSeconds(30))
        .untilAsserted(
            () ->
                assertThat(pipeline.status().state())
                    .as(pipeline.status().toString())
                    .isEqualTo(state));
  }

  private void awaitEvents(int count) {
    await().atMost(Duration.ofSeconds(30)).until(() -> rig.consume().size() >= count);
  }

  private void assertThatEventsAreExactly(int count) {
    List<ConsumerRecord<String, byte[]>> records = rig.consume();
    assertThat(
            records.stream()
                .map(r -> new String(r.value(), java.nio.charset.StandardCharsets.UTF_8)))
        .containsExactlyInAnyOrderElementsOf(
            IntStream.range(0, count).mapToObj(n -> "{\"n\":" + n + "}").toList());
    assertThat(records.stream().map(r -> Long.parseLong(PipelineRig.header(r, "ce_sequence"))))
        .containsExactlyInAnyOrderElementsOf(
            IntStream.rangeClosed(1, count).mapToObj(Long::valueOf).toList());
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
