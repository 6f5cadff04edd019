package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.event.SourcePosition;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Finds the one event of a batch that the broker refused: batches are halved until one of a single
 * event is refused. The failed transaction took its session with it, so this outlives sessions.
 * Used by the pipeline's thread.
 */
final class Isolation {
  private static final int UNLIMITED = Integer.MAX_VALUE;

  /** Beyond what a batch holds as a rule; from here on sizes are no matter. */
  private static final int LARGE = 10_000;

  private int limit = UNLIMITED;

  /** Events that may still hold the one looked for. */
  private long suspects;

  private @Nullable Culprit culprit;
  private boolean isCulpritMet;

  private record Culprit(String id, SourcePosition position, String reason) {}

  /** At most so many events may be published together. */
  int limit() {
    return limit;
  }

  boolean isLooking() {
    return limit != UNLIMITED;
  }

  /** The broker refused an event of a batch of the log, none of which is published. */
  void refused(List<RoutedEvent> batch, AgentException.RejectedEvent e) {
    if (batch.size() == 1) {
      SequencedEvent only = batch.get(0).sequenced();
      culprit = new Culprit(only.event().id(), only.position(), String.valueOf(e.getMessage()));
    }
    refused(batch.size());
  }

  /** The broker refused an event of so many. */
  void refused(int events) {
    limit = Math.max(1, events / 2);
    suspects = Math.max(suspects, events);
  }

  /** The one looked for was found, and is out of the way. */
  void found() {
    suspects = 0;
  }

  void beginSession() {
    isCulpritMet = false;
  }

  /**
   * To be called with each event before it is sent.
   *
   * @throws AgentException.RejectedEvent it is the one the broker refused when it was alone
   */
  void refuseCulprit(SequencedEvent event) {
    Culprit known = culprit;
    if (known != null
        && known.id().equals(event.event().id())
        && known.position().equals(event.position())) {
      isCulpritMet = true;
      throw new AgentException.RejectedEvent(known.reason());
    }
  }

  /** So many events are published or parked, and with them the culprit if it was met. */
  void passed(int events) {
    if (!isLooking()) {
      return;
    }
    suspects = isCulpritMet ? 0 : suspects - events;
    if (suspects > 0) {
      return;
    }
    culprit = null;
    isCulpritMet = false;
    // Bad events come in groups: the next one is found sooner from small batches.
    limit = limit >= LARGE ? UNLIMITED : limit * 2;
  }
}
