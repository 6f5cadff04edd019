package io.outboxinbox.agent.route;

import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.OutboxRow;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Topic and key of the rows of one table, and which topics they may reach. */
final class TableRoute {
  private final RowTemplate topic;
  private final RowTemplate key;
  private final TopicRules rules;

  /**
   * Parses templates and patterns.
   *
   * @throws IllegalArgumentException one that can never work, with the place and the way out
   */
  TableRoute(RouteConfiguration config, List<String> reservedTopics) {
    topic = RowTemplate.parse(config.topic());
    key = RowTemplate.parse(config.key());
    rules = new TopicRules(config.allowedTopics(), reservedTopics);
    if (!topic.literals().chars().allMatch(TopicRules::isNameChar)) {
      throw new IllegalArgumentException(
          "route.topic: '%s' has characters outside [a-zA-Z0-9._-] and {column}".formatted(topic));
    }
    @Nullable String problem = topic.isFixed() ? rules.problemWith(topic.toString()) : null;
    if (problem != null) {
      throw new IllegalArgumentException("route.topic: '%s' %s".formatted(topic, problem));
    }
  }

  TopicRules rules() {
    return rules;
  }

  /** The topic of an event; it is rejected where it may not go there. */
  String topicOf(OutboxEvent event) {
    @Nullable String own = event.topic();
    return rules.allowedTopic(own == null ? topic.fill(event) : own, event);
  }

  /** The key of an event; it is rejected where it has none. */
  String keyOf(OutboxEvent event) {
    String filled = key.fill(event);
    if (filled.isEmpty()) {
      throw Rejection.of(
          event,
          "key from template '" + key + "' is empty, so no order would be kept",
          "make the column non-empty or change route.key");
    }
    return filled;
  }

  @Nullable String keyOrNull(OutboxRow row) {
    @Nullable String filled = key.fillOrNull(row);
    return filled == null || filled.isEmpty() ? null : filled;
  }

  @Nullable String topicOrNull(OutboxRow row) {
    @Nullable String own = row.topic();
    @Nullable String name = own == null ? topic.fillOrNull(row) : own;
    return name != null && rules.problemWith(name) == null ? name : null;
  }

  /** Topics known before any event: no placeholders, no patterns. */
  Set<String> fixedTopics() {
    Set<String> fixed = new LinkedHashSet<>();
    if (topic.isFixed()) {
      fixed.add(topic.toString());
    }
    fixed.addAll(rules.fixedTopics());
    return fixed;
  }
}
