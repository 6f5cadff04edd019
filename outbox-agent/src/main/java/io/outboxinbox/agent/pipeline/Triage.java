package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.RawRow;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.park.HeldKeys;
import io.outboxinbox.agent.park.ParkedEvent;
import io.outboxinbox.agent.park.RawRows;
import io.outboxinbox.agent.pipeline.PipelineConfiguration.UnknownTopic;
import org.jspecify.annotations.Nullable;

/**
 * Decides for each row of the log whether it is published, parked, or whether all has to wait. Used
 * by one thread, and by one session: it holds keys of events that are not durably parked yet.
 */
final class Triage {

  /** What becomes of a row. */
  sealed interface Verdict {}

  /** It goes to the broker. */
  record Publish(RoutedEvent event) implements Verdict {}

  /** It goes to the table of parked events. */
  record Park(ParkedEvent event) implements Verdict {}

  /** Neither: nothing behind it may go on before somebody has mended the cause. */
  record Wait(AgentException cause) implements Verdict {}

  private final EventRules rules;
  private final HeldKeys held;
  private final PipelineMemory memory;
  private final UnknownTopic unknownTopic;

  Triage(EventRules rules, HeldKeys held, PipelineMemory memory, UnknownTopic unknownTopic) {
    this.rules = rules;
    this.held = held;
    this.memory = memory;
    this.unknownTopic = unknownTopic;
  }

  Verdict judge(SequencedEvent sequenced) {
    OutboxEvent event = sequenced.event();
    // Asked first: what waits behind another needs no look at the broker.
    @Nullable String heldKey = held.isEmpty() ? null : heldKey(rules.key(event));
    if (heldKey != null) {
      return new Park(
          ParkedEvent.behind(
              RawRows.rowOf(event), heldKey, sequenced.position(), sequenced.committedAt()));
    }
    try {
      // In this order: what is known about the topic by now says more than the broker did.
      RoutedEvent routed = rules.route(sequenced);
      memory.isolation().throwIfRefused(sequenced);
      return new Publish(routed);
    } catch (AgentException.RejectedEvent e) {
      return rejected(
          ParkedEvent.culprit(
              RawRows.rowOf(event),
              rules.key(event),
              String.valueOf(e.getMessage()),
              sequenced.position(),
              sequenced.committedAt()),
          e);
    }
  }

  Verdict judge(Captured.BadRow bad) {
    RawRow row = bad.row();
    @Nullable String key = rules.key(row);
    @Nullable String heldKey = heldKey(key);
    // It has a fault of its own, but its turn comes after the others of its key all the same.
    String reason = "row " + row.id() + " of the outbox is no event: " + bad.reason();
    if (heldKey != null) {
      return new Park(ParkedEvent.behind(row, heldKey, bad.position(), bad.committedAt()));
    }
    return rejected(
        ParkedEvent.culprit(row, key, reason, bad.position(), bad.committedAt()),
        new AgentException.RejectedEvent(reason));
  }

  /** So many events at most may go to the broker together. */
  int eventsMax() {
    return memory.isolation().limit();
  }

  /** The event that reaches so many bytes is the last that goes to the broker together. */
  long bytesMax() {
    return memory.size().bytes();
  }

  private @Nullable String heldKey(@Nullable String key) {
    return key != null && held.contains(key) ? key : null;
  }

  private Verdict rejected(ParkedEvent event, AgentException.RejectedEvent e) {
    if (e.isTopicMissing() && unknownTopic == UnknownTopic.WAIT) {
      return new Wait(e);
    }
    if (held.isFull()) {
      return new Wait(ParkingLot.tooManyKeys());
    }
    if (!memory.breaker().admits()) {
      return new Wait(flood(e));
    }
    if (event.key() != null) {
      held.add(event.key());
    }
    return new Park(event);
  }

  private AgentException flood(AgentException.RejectedEvent e) {
    return new AgentException.Flood(
        "more than %d events were refused within a minute, so no more are parked and the pipeline waits; the next one: %s"
            .formatted(memory.breaker().perMinute(), e.getMessage()),
        "mend what refuses them; if the events really are bad, raise parking.perMinute and restart the agent");
  }
}
