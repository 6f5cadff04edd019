package io.outboxinbox.agent.route;

import io.outboxinbox.agent.event.AgentException.RejectedEvent;
import io.outboxinbox.agent.event.Destination;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.RawRow;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.route.RouteConfiguration.HeaderStyle;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Gives every event its topic, key and headers, or rejects it. Immutable, for any thread. */
public final class Router {
  private final RowTemplate topic;
  private final RowTemplate key;
  private final TopicRules rules;
  private final MessageHeaders headers;
  private final String ceSource;
  private final HeaderStyle style;

  /**
   * Parses templates and patterns.
   *
   * @param pipelineName makes {@code ce_source} when the configuration has none
   * @param reservedTopics topics of the agent itself, never reached by an event
   * @throws IllegalArgumentException a template, pattern or source that can never work, with the
   *     place and the way out
   */
  public Router(RouteConfiguration config, String pipelineName, List<String> reservedTopics) {
    topic = RowTemplate.parse(config.topic());
    key = RowTemplate.parse(config.key());
    rules = new TopicRules(config.allowedTopics(), reservedTopics);
    checkTopicTemplate();
    String source = config.ceSource() == null ? "/" + pipelineName : config.ceSource();
    checkSource(source);
    ceSource = source;
    style = config.headers();
    headers = new MessageHeaders(config.headers(), source, null);
  }

  private Router(Router router, SourceIdentity source) {
    topic = router.topic;
    key = router.key;
    rules = router.rules;
    ceSource = router.ceSource;
    style = router.style;
    headers = new MessageHeaders(style, ceSource, source.id());
  }

  /** The same rules for messages that say which source they are of, as all that are sent do. */
  public Router forSource(SourceIdentity source) {
    return new Router(this, source);
  }

  private void checkTopicTemplate() {
    if (!topic.literals().chars().allMatch(TopicRules::isNameChar)) {
      throw new IllegalArgumentException(
          "route.topic: '%s' has characters outside [a-zA-Z0-9._-] and {column}".formatted(topic));
    }
    @Nullable String problem = topic.isFixed() ? rules.problemWith(topic.toString()) : null;
    if (problem != null) {
      throw new IllegalArgumentException("route.topic: '%s' %s".formatted(topic, problem));
    }
  }

  private static void checkSource(String source) {
    try {
      if (source.isEmpty() || new URI(source).toString().isEmpty()) {
        throw new IllegalArgumentException("route.ceSource is empty; write a URI such as /orders");
      }
    } catch (URISyntaxException e) {
      throw new IllegalArgumentException(
          "route.ceSource: '%s' is not a URI-reference: %s; write one such as /orders"
              .formatted(source, e.getReason()),
          e);
    }
  }

  /**
   * Routes one event; the same event always goes the same way.
   *
   * @throws RejectedEvent the row must not or cannot be published as it is; the message names the
   *     event, the fault and the way out, never the payload
   */
  public RoutedEvent route(SequencedEvent sequenced) {
    OutboxEvent event = sequenced.event();
    @Nullable String ownTopic = event.topic();
    String destination = ownTopic == null ? topic.fill(event) : ownTopic;
    return new RoutedEvent(
        sequenced,
        new Destination(
            rules.allowedTopic(destination, event), keyOf(event), headers.of(sequenced)));
  }

  private String keyOf(OutboxEvent event) {
    String filled = key.fill(event);
    if (filled.isEmpty()) {
      throw Rejection.of(
          event,
          "key from template '" + key + "' is empty, so no order would be kept",
          "make the column non-empty or change route.key");
    }
    return filled;
  }

  /**
   * The key the event has wherever it goes, also where {@link #route} rejects it.
   *
   * @return null when its row does not tell the key
   */
  public @Nullable String keyOrNull(OutboxEvent event) {
    try {
      return keyOf(event);
    } catch (RejectedEvent noKey) {
      return null;
    }
  }

  /**
   * The key of a row that is no event.
   *
   * @return null when the row does not tell it
   */
  public @Nullable String keyOrNull(RawRow row) {
    @Nullable String filled = key.fill(row);
    return filled == null || filled.isEmpty() ? null : filled;
  }

  /** Topics known before any event, for a look at the broker: no placeholders, no patterns. */
  public List<String> fixedTopics() {
    Set<String> fixed = new LinkedHashSet<>();
    if (topic.isFixed()) {
      fixed.add(topic.toString());
    }
    fixed.addAll(rules.fixedTopics());
    return List.copyOf(fixed);
  }

  /** Why no event may go to a topic, to be read behind its name; null if events may. */
  public @Nullable String problemWithTopic(String name) {
    return rules.problemWith(name);
  }

  /** Whether an event may go, or may have gone, to a topic. */
  public boolean mayReach(String topicName) {
    return problemWithTopic(topicName) == null;
  }

  /** How our messages are recognised in a topic. */
  public PublishedMark mark() {
    return new PublishedMark(
        MessageHeaders.idHeader(style),
        style == HeaderStyle.CLOUDEVENTS ? MessageHeaders.SOURCE : null,
        ceSource,
        MessageHeaders.sequenceHeader(style));
  }

  /**
   * How a message tells what it is.
   *
   * @param idHeader holds the event's id
   * @param sourceHeader holds {@code source}; null where the style has no such header
   */
  public record PublishedMark(
      String idHeader, @Nullable String sourceHeader, String source, String sequenceHeader) {}

  /** The same event, marked as found missing by a reconciliation. */
  public static RoutedEvent reconciled(RoutedEvent event, long reconciliation) {
    List<Destination.Header> marked = new ArrayList<>(event.destination().headers());
    marked.add(
        new Destination.Header(
            "outbox_reconciled",
            Long.toString(reconciliation).getBytes(StandardCharsets.US_ASCII)));
    return new RoutedEvent(
        event.sequenced(),
        new Destination(event.destination().topic(), event.destination().key(), marked));
  }

  /** Columns the templates need beyond the standard ones; they belong in source.extraColumns. */
  public Set<String> columns() {
    Set<String> columns = new LinkedHashSet<>(topic.columns());
    columns.addAll(key.columns());
    return columns;
  }
}
