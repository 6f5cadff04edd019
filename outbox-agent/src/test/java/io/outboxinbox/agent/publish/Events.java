package io.outboxinbox.agent.publish;

import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Destination;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.event.SourcePosition;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/** Events and checkpoints for tests of publishers. */
public final class Events {
  private Events() {}

  public static RoutedEvent event(String topic, long sequence, String key, byte[] payload) {
    OutboxEvent event =
        new OutboxEvent(
            "outbox_event",
            "id-" + sequence,
            "order",
            key,
            "placed",
            payload,
            null,
            Map.of(),
            null,
            null,
            Map.of());
    byte[] number = String.valueOf(sequence).getBytes(StandardCharsets.UTF_8);
    return new RoutedEvent(
        new SequencedEvent(event, position(sequence), Instant.EPOCH, 1, sequence),
        new Destination(topic, key, List.of(new Destination.Header("ce_sequence", number))));
  }

  public static Checkpoint checkpoint(SourceIdentity source, long sequence) {
    return new Checkpoint(
        source,
        "test",
        1,
        "slot",
        "mark",
        1,
        sequence,
        Checkpoint.BACKLOG_DONE,
        position(sequence),
        Checkpoint.Parking.NONE,
        0,
        0,
        0);
  }

  private static SourcePosition position(long sequence) {
    return SourcePosition.atCommit(1000 + sequence);
  }
}
