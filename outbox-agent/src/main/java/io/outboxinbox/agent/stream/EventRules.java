package io.outboxinbox.agent.stream;

import io.outboxinbox.agent.event.Destination;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.RawRow;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.route.Router;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
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

  /** The event's key wherever it goes; null when it has none. */
  @Nullable String key(OutboxEvent event);

  /** The key of a row that is no event; null when the row does not tell it. */
  @Nullable String key(RawRow row);

  /** The topic the event belongs to, also where it cannot be published; null if nobody can tell. */
  @Nullable String topic(OutboxEvent event);

  /** The topic of a row that is no event; null if nobody can tell. */
  @Nullable String topic(RawRow row);

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
    private static final String PARKED_AT = "outbox_parked_at";

    @Override
    public RoutedEvent route(SequencedEvent event) {
      RoutedEvent routed = router.route(event);
      if (reconciliation != 0) {
        routed = Router.reconciled(routed, reconciliation);
      }
      publisher.check(routed);
      return routed;
    }

    @Override
    public RoutedEvent route(SequencedEvent event, Instant parkedAt) {
      RoutedEvent routed = router.route(event);
      Destination to = routed.destination();
      List<Destination.Header> headers = new ArrayList<>(to.headers());
      headers.add(
          new Destination.Header(PARKED_AT, parkedAt.toString().getBytes(StandardCharsets.UTF_8)));
      RoutedEvent marked =
          new RoutedEvent(event, new Destination(to.topic(), to.key(), List.copyOf(headers)));
      publisher.check(marked);
      return marked;
    }

    @Override
    public @Nullable String key(OutboxEvent event) {
      return router.keyOrNull(event);
    }

    @Override
    public @Nullable String key(RawRow row) {
      return router.keyOrNull(row);
    }

    @Override
    public @Nullable String topic(OutboxEvent event) {
      return router.topicOrNull(event);
    }

    @Override
    public @Nullable String topic(RawRow row) {
      return router.topicOrNull(row);
    }
  }
}
