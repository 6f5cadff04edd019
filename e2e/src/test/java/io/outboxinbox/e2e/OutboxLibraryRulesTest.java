package io.outboxinbox.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.AgentException.RejectedEvent;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.route.RouteConfiguration;
import io.outboxinbox.agent.route.RouteConfiguration.HeaderStyle;
import io.outboxinbox.agent.route.Router;
import io.outboxinbox.inbox.InboxException;
import io.outboxinbox.inbox.OutboxMessage;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The library's {@code Outbox} checks events by the agent's rules, so that one the agent would
 * refuse fails in the transaction that makes it. Both have the rules; here they meet.
 */
class OutboxLibraryRulesTest {
  private static final String TOPIC = "events";

  /** An event in the words of both. */
  private record Event(
      String aggregateId, String eventType, String contentType, Map<String, String> headers) {
    static Event with(Map<String, String> headers) {
      return new Event("42", "OrderPlaced", "application/json", headers);
    }

    static Event ofType(String contentType) {
      return new Event("42", "OrderPlaced", contentType, Map.of());
    }
  }

  private static final String NAMES =
      "a|A.b_c-9|a b|a:b|grün|a/b|ce_id|CE_ID|ce-id|ce|cex_id|outbox_x|Outbox_X|outbox-x|outboxx"
          + "|id|ID|ids|eventType|EVENTTYPE|event-type|content-type|Content-Type|content_type"
          + "|traceparent||a\n";

  private static final String VALUES =
      "a|a\tb|a\rb|a\nb|a\u0000b|a\u0001b|\u0085|\u2028|grün|😀| a |";

  private static final String TYPES =
      "application/json|avro/binary|text|/x|x/|text/plain; charset=utf-8|text/plän|text/plain\n"
          + "| text/plain|application/cloudevents|application/cloudevents+json"
          + "| Application/CloudEvents|a/\u007f|a/\t|application/cloudevent";

  private static final String LINES = "a|a b|grün|a\rb|a\nb|a\u0000b|\u0085";

  static Stream<Event> events() {
    return Stream.of(
            Stream.concat(each(NAMES), Stream.of("x".repeat(128), "x".repeat(129)))
                .map(name -> Event.with(Map.of(name, "x"))),
            each(VALUES).map(value -> Event.with(Map.of("x", value))),
            each(TYPES).map(Event::ofType),
            each(LINES).map(text -> new Event(text, "OrderPlaced", "a/b", Map.of())),
            each(LINES).map(text -> new Event("42", text, "a/b", Map.of())),
            Stream.of(64, 65).map(OutboxLibraryRulesTest::headers).map(Event::with))
        .flatMap(some -> some);
  }

  private static Stream<String> each(String texts) {
    return Stream.of(texts.split("\\|", -1));
  }

  private static Map<String, String> headers(int number) {
    Map<String, String> headers = new HashMap<>();
    IntStream.range(0, number).forEach(i -> headers.put("h" + i, "x"));
    return headers;
  }

  @ParameterizedTest
  @MethodSource("events")
  void libraryRefusesWhatTheAgentWouldAndNothingElse(Event event) {
    // In either style: the application does not know which one the agent is set to.
    boolean isTaken =
        isRouted(event, HeaderStyle.CLOUDEVENTS) && isRouted(event, HeaderStyle.DEBEZIUM);
    assertThat(isBuilt(event)).as("whether the library takes %s", event).isEqualTo(isTaken);
  }

  private static boolean isRouted(Event event, HeaderStyle style) {
    OutboxEvent row =
        new OutboxEvent(
            "outbox_event",
            "0199aa00-0000-7000-8000-000000000001",
            "order",
            event.aggregateId(),
            event.eventType(),
            "{}".getBytes(StandardCharsets.UTF_8),
            event.contentType(),
            event.headers(),
            null,
            null,
            Map.of());
    try {
      new Router(
              new RouteConfiguration(TOPIC, List.of(TOPIC), "{aggregate_id}", style, null),
              "orders",
              List.of())
          .route(
              new SequencedEvent(
                  row, SourcePosition.atCommit(1), Instant.parse("2026-01-02T03:04:05Z"), 7, 1));
      return true;
    } catch (RejectedEvent refused) {
      return false;
    }
  }

  private static boolean isBuilt(Event event) {
    try {
      OutboxMessage.builder()
          .aggregateType("order")
          .aggregateId(event.aggregateId())
          .eventType(event.eventType())
          .payload("{}")
          .contentType(event.contentType())
          .headers(event.headers())
          .build();
      return true;
    } catch (InboxException.BadMessage refused) {
      return false;
    }
  }
}
