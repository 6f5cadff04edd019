package io.outboxinbox.agent.stream;

import io.outboxinbox.agent.event.OutboxRow;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.route.Router;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/** Where an event goes, and whether the broker would take it. */
public interface EventRules {

  /**
   * Routes and checks.
   *
   * @throws io.outboxinbox.agent.event.AgentException.RejectedEvent it cannot be published
   */
  RoutedEvent route(SequencedEvent event);

  /**
   * As {@link #route}, of an event that was parked; consumers can see that it was.
   *
   * @throws io.outboxinbox.agent.event.AgentException.RejectedEvent it cannot be published
   */
  RoutedEvent route(SequencedEvent event, Instant parkedAt);

  /** The key of an event or of a row that is none; null when the row does not tell it. */
  @Nullable String key(OutboxRow row);

  /** The topic it belongs to, also where it cannot be published; null if nobody can tell. */
  @Nullable String topic(OutboxRow row);

  /**
   * The rules of a running pipeline.
   *
   * @param reconciliation marks the events as found missing by it; 0 for none
   */
  static EventRules of(Router router, Publisher publisher, long reconciliation) {
    return new RouterAndBroker(router, publisher, reconciliation);
  }

  /** The rules of a running pipeline. */
  record RouterAndBroker(Router router, Publisher publisher, long reconciliation)
      implements EventRules {
    private static final String RECONCILED = "outbox_reconciled";
    private static final String PARKED_AT = "outbox_parked_at";

    @Override
    public RoutedEvent route(SequencedEvent event) {
      RoutedEvent routed = router.route(event);
      if (reconciliation != 0) {
        routed = routed.with(RECONCILED, Long.toString(reconciliation));
      }
      publisher.check(routed);
      return routed;
    }

    @Override
    public RoutedEvent route(SequencedEvent event, Instant parkedAt) {
      RoutedEvent marked = router.route(event).with(PARKED_AT, parkedAt.toString());
      publisher.check(marked);
      return marked;
    }

    @Override
    public @Nullable String key(OutboxRow row) {
      return router.keyOrNull(row);
    }

    @Override
    public @Nullable String topic(OutboxRow row) {
      return router.topicOrNull(row);
    }
  }
}
