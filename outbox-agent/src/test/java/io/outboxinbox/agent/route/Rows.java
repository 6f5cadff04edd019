package io.outboxinbox.agent.route;

import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.route.RouteConfiguration.HeaderStyle;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Rows as tests want them: a usual one, changed in one place. */
record Rows(OutboxEvent event) {
  static final String ID = "0199aa00-0000-7000-8000-000000000001";

  static Rows usual() {
    return new Rows(
        new OutboxEvent(
            "outbox_event",
            ID,
            "order",
            "42",
            "OrderPlaced",
            "{\"secret\":\"payload\"}".getBytes(StandardCharsets.UTF_8),
            null,
            Map.of(),
            null,
            null,
            Map.of()));
  }

  Rows withNames(String id, String aggregateType, String aggregateId, String eventType) {
    return new Rows(
        new OutboxEvent(
            event.table(),
            id,
            aggregateType,
            aggregateId,
            eventType,
            event.payload(),
            event.contentType(),
            event.headers(),
            event.topic(),
            event.occurredAt(),
            event.extra()));
  }

  Rows withPayload(byte[] payload, String contentType) {
    return new Rows(
        new OutboxEvent(
            event.table(),
            event.id(),
            event.aggregateType(),
            event.aggregateId(),
            event.eventType(),
            payload,
            contentType,
            event.headers(),
            event.topic(),
            event.occurredAt(),
            event.extra()));
  }

  Rows ofTable(String table) {
    return new Rows(
        new OutboxEvent(
            table,
            event.id(),
            event.aggregateType(),
            event.aggregateId(),
            event.eventType(),
            event.payload(),
            event.contentType(),
            event.headers(),
            event.topic(),
            event.occurredAt(),
            event.extra()));
  }

  Rows withTopic(String topic) {
    return with(event.headers(), topic, event.occurredAt(), event.extra());
  }

  Rows withHeaders(Map<String, String> headers) {
    return with(headers, event.topic(), event.occurredAt(), event.extra());
  }

  Rows withOccurredAt(Instant occurredAt) {
    return with(event.headers(), event.topic(), occurredAt, event.extra());
  }

  Rows withExtra(Map<String, String> extra) {
    return with(event.headers(), event.topic(), event.occurredAt(), extra);
  }

  private Rows with(
      Map<String, String> headers, String topic, Instant occurredAt, Map<String, String> extra) {
    return new Rows(
        new OutboxEvent(
            event.table(),
            event.id(),
            event.aggregateType(),
            event.aggregateId(),
            event.eventType(),
            event.payload(),
            event.contentType(),
            headers,
            topic,
            occurredAt,
            extra));
  }

  SequencedEvent sequenced() {
    return new SequencedEvent(
        event, SourcePosition.atCommit(1), Instant.parse("2026-01-02T03:04:05Z"), 7, 1234);
  }

  static RouteConfiguration cloudEvents(String topic, String... allowed) {
    return new RouteConfiguration(
        topic, List.of(allowed), "{aggregate_id}", HeaderStyle.CLOUDEVENTS, null);
  }

  static RouteConfiguration debezium(String topic, String... allowed) {
    return new RouteConfiguration(
        topic, List.of(allowed), "{aggregate_id}", HeaderStyle.DEBEZIUM, null);
  }

  static Map<String, String> headersOf(RoutedEvent routed) {
    Map<String, String> headers = new LinkedHashMap<>();
    routed
        .destination()
        .headers()
        .forEach(
            header -> {
              String before =
                  headers.put(header.name(), new String(header.value(), StandardCharsets.UTF_8));
              if (before != null) {
                throw new AssertionError("header " + header.name() + " twice");
              }
            });
    return headers;
  }
}
