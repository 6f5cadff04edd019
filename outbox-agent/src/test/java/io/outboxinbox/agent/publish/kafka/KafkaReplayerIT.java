package io.outboxinbox.agent.publish.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.Destination;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.testkit.KafkaExtension;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class KafkaReplayerIT {
  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private static RoutedEvent event(String id, String topic, int payloadBytes) {
    OutboxEvent event =
        new OutboxEvent(
            "outbox_event",
            id,
            "order",
            "k",
            "placed",
            new byte[payloadBytes],
            null,
            Map.of(),
            null,
            null,
            Map.of());
    return new RoutedEvent(
        new SequencedEvent(event, SourcePosition.atCommit(1), Instant.EPOCH, 0, 0),
        new Destination(topic, "k", List.of()));
  }

  private static KafkaReplayer replayer(Map<String, String> properties) {
    return new KafkaReplayer(
        new KafkaConfiguration(
            kafka.bootstrapServers(), "positions", (short) 1, Duration.ofSeconds(20), properties));
  }

  /** A batch must fit into a segment; no limit the agent could look at tells. */
  private static String strictTopic() {
    return kafka.newTopic(
        "strict", 1, Map.of("segment.bytes", "1048576", "max.message.bytes", "5000000"));
  }

  private static long messages(String topic) throws Exception {
    TopicPartition partition = new TopicPartition(topic, 0);
    try (Admin admin = kafka.admin()) {
      return admin
          .listOffsets(Map.of(partition, OffsetSpec.latest()))
          .partitionResult(partition)
          .get()
          .offset();
    }
  }

  @Test
  void goesOnBehindEveryKindOfRefusal() throws Exception {
    String strict = strictTopic();
    try (KafkaReplayer replayer = replayer(Map.of("max.request.size", "5000000"))) {
      List<String> refusals =
          replayer.send(
              List.of(
                  event("good-1", strict, 10),
                  event("larger-than-a-segment", strict, 1_200_000),
                  event("larger-than-a-request", strict, 6_000_000),
                  event("nowhere", "no topic", 10),
                  event("good-2", strict, 10)));
      assertThat(refusals)
          .satisfiesExactly(
              refusal -> assertThat(refusal).startsWith("event larger-than-a-segment: kafka"),
              refusal -> assertThat(refusal).startsWith("event larger-than-a-request: kafka"),
              refusal -> assertThat(refusal).startsWith("event nowhere: kafka"));
    }
    assertThat(messages(strict)).isGreaterThanOrEqualTo(2);
  }

  @Test
  void blamesNoEventForTheSizeOfTheBatchItWasSentIn() throws Exception {
    String strict = strictTopic();
    Map<String, String> properties =
        Map.of("max.request.size", "5000000", "batch.size", "4000000", "linger.ms", "1000");
    try (KafkaReplayer replayer = replayer(properties)) {
      assertThat(
              replayer.send(
                  List.of(
                      event("a", strict, 600_000),
                      event("b", strict, 600_000),
                      event("c", strict, 600_000))))
          .isEmpty();
    }
    assertThat(messages(strict)).isGreaterThanOrEqualTo(3);
  }
}
