package io.outboxinbox.agent.stream;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.source.table.ParkedEvent;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Finds the events of a batch that the broker refused. Where the broker does not say which, batches
 * are halved until one of a single event is refused. The failed transaction took its session with
 * it, so this outlives sessions. Used by the pipeline's thread.
 */
public final class Isolation {
  private static final int UNLIMITED = Integer.MAX_VALUE;

  /** Beyond what a batch holds as a rule; from here on sizes are no matter. */
  private static final int LARGE = 10_000;

  /** More than this are found again when they are refused again. */
  private static final int CULPRITS_MAX = 1000;

  private int limit = UNLIMITED;

  /** Events that may still hold the ones looked for. */
  private long suspects;

  /** Refused events that are not parked yet, with the broker's reason. */
  private final Map<Place, String> culprits = new HashMap<>();

  /** Tells a row of the log, or of the backlog, from all others. */
  private record Place(@Nullable String table, @Nullable String id, SourcePosition position) {
    static Place of(SequencedEvent event) {
      return new Place(event.event().table(), event.event().id(), event.position());
    }
  }

  /** At most so many events may be published together. */
  public int limit() {
    return limit;
  }

  public boolean isLooking() {
    return limit != UNLIMITED || !culprits.isEmpty();
  }

  /** The broker refused an event of a batch of the log, none of which is published. */
  public void refused(List<RoutedEvent> batch, AgentException.RejectedEvent e) {
    for (RoutedEvent routed : batch) {
      SequencedEvent event = routed.sequenced();
      if (batch.size() == 1 || event.sequence() == e.sequence()) {
        if (culprits.size() >= CULPRITS_MAX) {
          culprits.clear();
        }
        culprits.put(Place.of(event), "event " + event.event().id() + ": " + e.getMessage());
        suspects = Math.max(suspects, batch.size());
        return;
      }
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

  /**
   * To be called with each event before it is sent.
   *
   * @throws AgentException.RejectedEvent the broker has refused it
   */
  void throwIfRefused(SequencedEvent event) {
    String reason = culprits.isEmpty() ? null : culprits.get(Place.of(event));
    if (reason != null) {
      throw new AgentException.RejectedEvent(reason);
    }
  }

  /** So many events are published, and these are parked. */
  public void passed(int published, List<ParkedEvent> parked) {
    if (!isLooking()) {
      return;
    }
    suspects -= published + parked.size();
    boolean wasFound = false;
    for (ParkedEvent event : parked) {
      wasFound |=
          culprits.remove(new Place(event.row().table(), event.row().id(), event.position()))
              != null;
    }
    if (wasFound && culprits.isEmpty()) {
      suspects = 0;
    }
    if (suspects > 0) {
      return;
    }
    // What is left has not come again in its place.
    culprits.clear();
    // Bad events come in groups: the next one is found sooner from small batches.
    limit = limit >= LARGE ? UNLIMITED : limit * 2;
  }
}
