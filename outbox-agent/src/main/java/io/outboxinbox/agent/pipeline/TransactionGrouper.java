package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.event.SourcePosition;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Numbers events and holds them back until their database transaction has ended, so that it becomes
 * visible at once; splits a transaction that is too large for that. Once an event is rejected
 * nothing after it is taken any more, and what ended before it can still be published. Used by one
 * thread.
 */
final class TransactionGrouper {

  /**
   * What may be published together.
   *
   * @param events possibly none
   * @param position behind the last of them
   * @param sequence of the last of them
   */
  record Batch(List<RoutedEvent> events, SourcePosition position, long sequence) {}

  private final PipelineConfiguration.BatchConfiguration limits;
  private final Function<SequencedEvent, RoutedEvent> route;
  private final long epoch;

  private List<RoutedEvent> ended = new ArrayList<>();
  private SourcePosition endedPosition;
  private long endedSequence;

  private List<RoutedEvent> open = new ArrayList<>();
  private long openBytes;
  private long sequence;
  private AgentException.@Nullable RejectedEvent rejection;

  /**
   * Starts behind a checkpoint.
   *
   * @param route gives the destination, or throws {@link AgentException.RejectedEvent}
   */
  TransactionGrouper(
      PipelineConfiguration.BatchConfiguration limits,
      Function<SequencedEvent, RoutedEvent> route,
      Checkpoint from) {
    this.limits = limits;
    this.route = route;
    this.epoch = from.epoch();
    this.sequence = from.sequence();
    this.endedSequence = from.sequence();
    this.endedPosition = from.position();
  }

  void add(Captured.Row row) {
    if (rejection != null) {
      return;
    }
    SequencedEvent event =
        new SequencedEvent(row.event(), row.position(), row.committedAt(), epoch, sequence + 1);
    try {
      open.add(route.apply(event));
    } catch (AgentException.RejectedEvent e) {
      reject(e);
      return;
    }
    sequence++;
    byte[] payload = row.event().payload();
    openBytes += payload == null ? 0 : payload.length;
    if (open.size() >= limits.atomicEvents() || openBytes >= limits.atomicBytes()) {
      end(row.position());
    }
  }

  void add(Captured.BadRow row) {
    if (rejection == null) {
      reject(
          new AgentException.RejectedEvent(
              "row " + row.eventId() + " of the outbox is no event: " + row.reason()));
    }
  }

  void add(Captured.TransactionEnd transactionEnd) {
    if (rejection == null) {
      end(transactionEnd.position());
    }
  }

  /** Rows of the backlog come without transactions; a page is published as one. */
  void endBacklogPage() {
    if (rejection == null) {
      end(endedPosition);
    }
  }

  private void end(SourcePosition position) {
    ended.addAll(open);
    endedPosition = position;
    endedSequence = sequence;
    open = new ArrayList<>();
    openBytes = 0;
  }

  private void reject(AgentException.RejectedEvent e) {
    rejection = e;
    open = new ArrayList<>();
  }

  /** Everything that has ended since the last call. */
  Batch takeEnded() {
    Batch batch = new Batch(ended, endedPosition, endedSequence);
    ended = new ArrayList<>();
    return batch;
  }

  /**
   * To be called once what came before a rejected event is published.
   *
   * @throws AgentException.RejectedEvent the first rejection met, if there was one
   */
  void throwIfRejected() {
    if (rejection != null) {
      throw rejection;
    }
  }
}
