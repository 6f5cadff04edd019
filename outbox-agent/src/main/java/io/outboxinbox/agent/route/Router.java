package io.outboxinbox.agent.route;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.AgentException.RejectedEvent;
import io.outboxinbox.agent.event.Destination;
import io.outboxinbox.agent.event.HeaderNames;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.OutboxRow;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.route.RouteConfiguration.HeaderStyle;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Gives every event its topic, key and headers, or rejects it. Immutable, for any thread. */
public final class Router {
  /** The one for rows of every table; null where each table has its own. */
  private final @Nullable TableRoute common;

  private final Map<String, TableRoute> ofTables = new LinkedHashMap<>();
  private final MessageHeaders headers;
  private final String ceSource;
  private final String pipeline;
  private final HeaderStyle style;

  /**
   * One route for all rows, whichever table they are of.
   *
   * @param pipelineName makes {@code ce_source} when the configuration has none
   * @param reservedTopics topics of the agent itself, never reached by an event
   * @throws IllegalArgumentException a template, pattern or source that can never work, with the
   *     place and the way out
   */
  public Router(RouteConfiguration config, String pipelineName, List<String> reservedTopics) {
    this(config, Map.of(), pipelineName, reservedTopics);
  }

  /**
   * A route for each table; rows of others are rejected.
   *
   * @param config what all tables share: headers and source
   * @param tables by name, of each topic, key and allowed topics; empty for one route for all
   * @throws IllegalArgumentException as above
   */
  public Router(
      RouteConfiguration config,
      Map<String, RouteConfiguration> tables,
      String pipelineName,
      List<String> reservedTopics) {
    common = tables.isEmpty() ? new TableRoute(config, reservedTopics) : null;
    tables.forEach((table, route) -> ofTables.put(table, new TableRoute(route, reservedTopics)));
    String source = config.ceSource() == null ? "/" + pipelineName : config.ceSource();
    checkSource(source);
    ceSource = source;
    pipeline = pipelineName;
    style = config.headers();
    headers = new MessageHeaders(style, source, null, namesTables());
  }

  private Router(Router router, SourceIdentity source) {
    common = router.common;
    ofTables.putAll(router.ofTables);
    ceSource = router.ceSource;
    pipeline = router.pipeline;
    style = router.style;
    headers = new MessageHeaders(style, ceSource, source.id(), namesTables());
  }

  /** The same rules for messages that say which source they are of, as all that are sent do. */
  public Router forSource(SourceIdentity source) {
    return new Router(this, source);
  }

  /** Messages of a pipeline of one table stay as they always were. */
  private boolean namesTables() {
    return ofTables.size() > 1;
  }

  /** Null for a table without one, and where each has one and the row does not tell its table. */
  private @Nullable TableRoute routeOrNull(@Nullable String table) {
    return common != null || table == null ? common : ofTables.get(table);
  }

  private Stream<TableRoute> routes() {
    return common == null ? ofTables.values().stream() : Stream.of(common);
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
    @Nullable TableRoute route = routeOrNull(event.table());
    if (route == null) {
      throw Rejection.of(
          event,
          "table " + Rejection.shown(event.table()) + " is not configured",
          "name it in source.tables, or discard the event");
    }
    return new RoutedEvent(
        sequenced,
        new Destination(route.topicOf(event), route.keyOf(event), headers.of(sequenced)));
  }

  /**
   * The key an event has wherever it goes, also where {@link #route} rejects it, or where it is
   * none.
   *
   * @return null when its row does not tell the key
   */
  public @Nullable String keyOrNull(OutboxRow row) {
    @Nullable TableRoute route = routeOrNull(row.table());
    return route == null ? null : route.keyOrNull(row);
  }

  /**
   * The topic an event belongs to, also where {@link #route} rejects it, or where it is none.
   *
   * @return null when its row does not tell it, or it may not go there
   */
  public @Nullable String topicOrNull(OutboxRow row) {
    @Nullable TableRoute route = routeOrNull(row.table());
    return route == null ? null : route.topicOrNull(row);
  }

  /** Topics known before any event, for a look at the broker: no placeholders, no patterns. */
  public List<String> fixedTopics() {
    return routes().flatMap(route -> route.fixedTopics().stream()).distinct().toList();
  }

  /**
   * Refuses a topic no event of the table may go to, when somebody names one.
   *
   * @param table null where the event does not say
   * @throws AgentException.Misconfigured with the reason and the way out
   */
  public void requireTopic(@Nullable String table, String name) {
    @Nullable TableRoute route = routeOrNull(table);
    @Nullable String problem =
        route == null
            ? "is of an event of table %s, which is not configured".formatted(table)
            : route.rules().problemWith(name);
    if (problem != null) {
      throw new AgentException.Misconfigured(
          "topic %s %s".formatted(name, problem),
          "choose another, or add it to route.allowedTopics of pipeline " + pipeline);
    }
  }

  /** Names and patterns of all topics an event may go to. */
  public List<String> allowedTopics() {
    return routes().flatMap(route -> route.rules().allowed().stream()).distinct().toList();
  }

  /**
   * Whether an event may go, or may have gone, to a topic.
   *
   * @param former names and patterns that were allowed before
   */
  public boolean mayHaveReached(String topicName, Collection<String> former) {
    return routes().anyMatch(route -> route.rules().mayHaveReached(topicName, former));
  }

  /** What messages of this pipeline say in {@code ce_source}, in the style that has it. */
  public String ceSource() {
    return ceSource;
  }

  /** How a message may tell what it is, in every style: the style of today may be a new one. */
  public static List<HeaderNames> marks() {
    // Cloud events first: these may have a header of the application's own that is called id.
    return List.of(MessageHeaders.CLOUDEVENTS, MessageHeaders.DEBEZIUM);
  }
}
