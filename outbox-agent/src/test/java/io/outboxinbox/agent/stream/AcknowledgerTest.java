package io.outboxinbox.agent.stream;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.Destination;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.Receipt;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.event.SourcePosition;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class AcknowledgerTest {
  private static final SourcePosition AFTER = SourcePosition.atCommit(500);

  private final List<SourcePosition> committed = new ArrayList<>();
  private final Acknowledger acknowledger = new Acknowledger(committed::add);

  @Test
  void commitsThePositionBehindAFullyConfirmedBatch() {
    List<RoutedEvent> batch = List.of(event(1), event(2));
    acknowledger.acknowledge(batch, AFTER, List.of(receipt(1), receipt(2)));
    assertThat(committed).containsExactly(AFTER);
  }

  @Test
  void commitsNothingPastAGap() {
    List<RoutedEvent> batch = List.of(event(1), event(2), event(3));
    acknowledger.acknowledge(batch, AFTER, List.of(receipt(1), receipt(3)));
    assertThat(committed).containsExactly(position(1));
  }

  @Test
  void commitsNothingWhenTheFirstEventIsUnconfirmed() {
    List<RoutedEvent> batch = List.of(event(1), event(2));
    acknowledger.acknowledge(batch, AFTER, List.of(receipt(2)));
    assertThat(committed).isEmpty();
  }

  @Test
  void takesReceiptsInAnyOrder() {
    List<RoutedEvent> batch = List.of(event(1), event(2));
    acknowledger.acknowledge(batch, AFTER, List.of(receipt(2), receipt(1)));
    assertThat(committed).containsExactly(AFTER);
  }

  @Test
  void commitsAPositionWithoutEvents() {
    acknowledger.acknowledge(List.of(), AFTER, List.of());
    assertThat(committed).containsExactly(AFTER);
  }

  private static RoutedEvent event(long sequence) {
    OutboxEvent event =
        new OutboxEvent(
            "id-" + sequence, "order", "1", "placed", null, null, Map.of(), null, null, Map.of());
    return new RoutedEvent(
        new SequencedEvent(event, position(sequence), Instant.EPOCH, 1, sequence),
        new Destination("t", "k", List.of()));
  }

  private static SourcePosition position(long sequence) {
    return new SourcePosition(100, 7, 100 + sequence, 1);
  }

  private static Receipt receipt(long sequence) {
    return new Receipt(sequence, position(sequence));
  }
}
