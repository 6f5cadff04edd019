package io.outboxinbox.agent.event;

import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The broker has the event for good.
 *
 * @param sequence of the event confirmed
 * @param position of the event confirmed
 */
public record Receipt(long sequence, SourcePosition position) {

  /**
   * Refuses to take a batch for published while an event of it has no receipt.
   *
   * @throws AgentException.Retryable one has none
   */
  public static void demandAll(List<RoutedEvent> events, List<Receipt> receipts) {
    Set<Long> confirmed = receipts.stream().map(Receipt::sequence).collect(Collectors.toSet());
    long missing =
        events.stream().filter(e -> !confirmed.contains(e.sequenced().sequence())).count();
    if (missing > 0) {
      throw new AgentException.Retryable(
          "the broker confirmed only %d of %d events"
              .formatted(events.size() - missing, events.size()));
    }
  }
}
