package io.outboxinbox.agent.stream;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Destination;
import io.outboxinbox.agent.event.OutboxRow;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Takes every event under its aggregate's id, but for those named. */
final class ScriptedRules implements EventRules {
  private final Set<String> refused = new HashSet<>();
  private final Set<String> withoutTopic = new HashSet<>();
  private final Set<String> unknown = new HashSet<>();
  private Function<String, String> topics = id -> "t";

  void chooseTopics(Function<String, String> byId) {
    topics = byId;
  }

  /** Refuses an event of which nobody can tell the topic before it is accepted. */
  void refuseOfUnknownTopic(String id) {
    unknown.add(id);
    refused.add(id);
  }

  void refuse(String... ids) {
    refused.addAll(List.of(ids));
  }

  void missTopicOf(String... ids) {
    withoutTopic.addAll(List.of(ids));
  }

  void accept(String id) {
    refused.remove(id);
  }

  @Override
  public RoutedEvent route(SequencedEvent event) {
    String id = event.event().id();
    if (withoutTopic.contains(id)) {
      throw AgentException.RejectedEvent.topicMissing("refused " + id);
    }
    if (refused.contains(id)) {
      throw new AgentException.RejectedEvent("refused " + id);
    }
    return new RoutedEvent(
        event, new Destination(topics.apply(id), event.event().aggregateId(), List.of()));
  }

  @Override
  public RoutedEvent route(SequencedEvent event, Instant parkedAt) {
    return route(event);
  }

  @Override
  public @Nullable String key(OutboxRow row) {
    return row.aggregateId();
  }

  @Override
  public @Nullable String topic(OutboxRow row) {
    String id = row.id();
    return unknown.contains(id) && refused.contains(id) ? null : topics.apply(id);
  }
}
