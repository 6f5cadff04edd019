package io.outboxinbox.agent.route;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.AgentException.RejectedEvent;
import io.outboxinbox.agent.event.Destination;
import io.outboxinbox.agent.event.HeaderNames;
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
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Gives every event its topic, key and headers, or rejects it. Immutable, for any thread. */
public final class Router {
  private final RowTemplate topic;
  private final RowTemplate key;
  private final TopicRules rules;
  private final MessageHeaders headers;
  private final String ceSource;
  private final String pipeline;
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
    pipeline = pipelineName;
    style = config.headers();
    headers = new MessageHeaders(config.headers(), source, null);
  }

  private Router(Router router, SourceIdentity source) {
    topic = router.topic;
    key = router.key;
    rules = router.rules;
    ceSource = router.ceSource;
    pipeline = router.pipeline;
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

  /**
   * The topic an event belongs to, also where {@link #route} rejects it.
   *
   * @return null when it may not go where its row says
   */
  public @Nullable String topicOrNull(OutboxEvent event) {
    try {
      @Nullable String own = event.topic();
      String name = own == null ? topic.fill(event) : own;
      return rules.problemWith(name) == null ? name : null;
    } catch (RejectedEvent noTopic) {
      return null;
    }
  }

  /**
   * The topic of a row that is no event.
   *
   * @return null when the row does not tell it, or it may not go there
   */
  public @Nullable String topicOrNull(RawRow row) {
    @Nullable String own = row.topic();
    @Nullable String name = own == null ? topic.fill(row) : own;
    return name != null && rules.problemWith(name) == null ? name : null;
  }

  /** How topics are chosen where a row has none of its own. */
  public String topicRule() {
    return topic.toString();
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

  /**
   * Refuses a topic no event may go to, when somebody names one.
   *
   * @throws AgentException.Misconfigured with the reason and the way out
   */
  public void requireTopic(String name) {
    @Nullable String problem = rules.problemWith(name);
    if (problem != null) {
      throw new AgentException.Misconfigured(
          "topic %s %s".formatted(name, problem),
          "choose another, or add it to route.allowedTopics of pipeline " + pipeline);
    }
  }

  /** Names and patterns of all topics an event may go to. */
  public List<String> allowedTopics() {
    return rules.allowed();
  }

  /**
   * Whether an event may go, or may have gone, to a topic.
   *
   * @param former names and patterns that were allowed before
   */
  public boolean mayHaveReached(String topicName, Collection<String> former) {
    return rules.mayHaveReached(topicName, former);
  }

  /** What messages of this pipeline say in {@code ce_source}, in the style that has it. */
  public String ceSource() {
    return ceSource;
  }

  /** How a message may tell what it is, in every style: the style of today may be a new one. */
  public static List<HeaderNames> marks() {
    // Cloud events first: these may have a header of the application's own that is called id.
    return Stream.of(HeaderStyle.CLOUDEVENTS, HeaderStyle.DEBEZIUM)
        .map(
            style ->
                new HeaderNames(
                    MessageHeaders.idHeader(style),
                    MessageHeaders.sourceIdHeader(style),
                    style == HeaderStyle.CLOUDEVENTS ? MessageHeaders.SOURCE : null,
                    MessageHeaders.sequenceHeader(style)))
        .toList();
  }

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
