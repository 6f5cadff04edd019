package io.outboxinbox.agent.stream;

import io.outboxinbox.agent.configure.PipelineConfiguration.UnknownTopic;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.RawRow;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.park.HeldKeys;
import io.outboxinbox.agent.park.ParkingLot;
import io.outboxinbox.agent.source.outbox.RawRows;
import io.outboxinbox.agent.source.table.Lane;
import io.outboxinbox.agent.source.table.ParkedEvent;
import org.jspecify.annotations.Nullable;

/**
 * Decides for each row of the log whether it is published, parked, or whether all has to wait. Used
 * by one thread, and by one session: it holds keys of events that are not durably parked yet.
 */
public record Triage(
    EventRules rules, HeldKeys held, StreamMemory memory, UnknownTopic unknownTopic) {

  /** What becomes of a row. */
  sealed interface Verdict {}

  /** It goes to the broker. */
  record Publish(RoutedEvent event) implements Verdict {}

  /** It goes to the table of parked events. */
  record Park(ParkedEvent event) implements Verdict {}

  /** Neither: nothing behind it may go on before somebody has mended the cause. */
  record Wait(AgentException cause) implements Verdict {}

  Verdict judge(SequencedEvent sequenced) {
    OutboxEvent event = sequenced.event();
    // Asked first: what waits behind another needs no look at the broker.
    @Nullable Line line = held.isEmpty() ? null : heldLine(rules.topic(event), rules.key(event));
    if (line != null) {
      return new Park(
          ParkedEvent.behind(
              RawRows.rowOf(event),
              line.key(),
              line.topic(),
              sequenced.position(),
              sequenced.committedAt()));
    }
    try {
      // In this order: what is known about the topic by now says more than the broker did.
      RoutedEvent routed = rules.route(sequenced);
      memory.isolation().throwIfRefused(sequenced);
      return new Publish(routed);
    } catch (AgentException.RejectedEvent e) {
      return rejected(
          new ParkedEvent(
              RawRows.rowOf(event),
              rules.key(event),
              topicOf(event, e),
              String.valueOf(e.getMessage()),
              false,
              sequenced.position(),
              sequenced.committedAt()),
          e);
    }
  }

  Verdict judge(Captured.BadRow bad) {
    RawRow row = bad.row();
    @Nullable String key = rules.key(row);
    @Nullable String topic = row.topic() == null ? rules.topic(row) : null;
    @Nullable Line line = heldLine(topic, key);
    // It has a fault of its own, but its turn comes after the others of its key all the same.
    String reason = "row " + row.shownId() + " of the outbox is no event: " + bad.reason();
    if (line != null) {
      return new Park(
          ParkedEvent.behind(row, line.key(), line.topic(), bad.position(), bad.committedAt()));
    }
    return rejected(
        new ParkedEvent(row, key, topic, reason, false, bad.position(), bad.committedAt()),
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

  /** What an event waits in; without a topic it is the one line for all of them. */
  private record Line(@Nullable String topic, String key) {}

  /**
   * The topic's own line first: what is in it came before. While the key is held in all topics,
   * nothing of it begins a line of its own; and what waits in one when that begins joins the line
   * for all as soon as it is written down. So nothing in one overtakes what waits in the other.
   */
  private @Nullable Line heldLine(@Nullable String topic, @Nullable String key) {
    if (key == null) {
      return null;
    }
    if (topic != null && held.contains(Lane.of(topic, key))) {
      return new Line(topic, key);
    }
    return held.contains(Lane.of(null, key)) ? new Line(null, key) : null;
  }

  /** A topic that is not there, written by hand into the row, may be a slip of the pen. */
  private @Nullable String topicOf(OutboxEvent event, AgentException.RejectedEvent e) {
    return e.isTopicMissing() && event.topic() != null ? null : rules.topic(event);
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
    @Nullable String lane = event.lane();
    if (lane != null) {
      held.addUncovered(lane);
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
