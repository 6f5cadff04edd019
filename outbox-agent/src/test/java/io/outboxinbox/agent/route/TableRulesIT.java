package io.outboxinbox.agent.route;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.outboxinbox.agent.event.AgentException.RejectedEvent;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.route.RouteConfiguration.HeaderStyle;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * The table refuses what the agent would have to park, and nothing else: both have the rules, and
 * here they meet. Left to the agent alone are the number of headers and the length of their names.
 */
class TableRulesIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  private static final String NAMES =
      "a|A.b_c-9|a b|a:b|grün|a/b|ce_id|CE_ID|ce-id|ce|cex_id|outbox_x|Outbox_X|outbox-x|outboxx"
          + "|id|ID|ids|eventType|EVENTTYPE|event-type|content-type|Content-Type|content_type"
          + "|traceparent||a\n|\na|ce_\n";

  private static final String VALUES =
      "a|a\tb|a\rb|a\nb|\n|a\u0000b|a\u0001b|\u0085|\u2028|grün|😀| a |"
          + "|a\\nb|a\\\nb|\\|\\n|\", \"ce_x\": \"|{\"id\": \"1\"}|{\"ce_x\"|\", \"|\\\", \"id\"";

  private static final String CONTENT_TYPES =
      "application/json|avro/binary|text|/x|x/|text/plain; charset=utf-8|text/plän|text/plain\n"
          + "| text/plain|application/cloudevents|application/cloudevents+json"
          + "| Application/CloudEvents|APPLICATION/CLOUDEVENTS|a/\u007f|a/\t|application/cloudevent";

  private static final String LINES = "a|a b|grün|a\rb|a\nb|a\n|a\u0000b|\u0085";

  private static final String TOPICS =
      "order|Order.v1_x-2|Order Placed!|Shop::Order|grün|a/b|.|..|...|_a|__a|__|a__b|a\n";

  private static final String TIMES =
      "2026-01-01T00:00:00Z|-0001-12-31T23:59:59Z|0000-01-01T00:00:00Z|0001-01-01T00:00:00Z"
          + "|9999-12-31T23:59:59.999999Z|+10000-01-01T00:00:00Z";

  /** What is not the usual is one thing at a time. */
  private static List<OutboxEvent> events() {
    List<OutboxEvent> events = new ArrayList<>();
    for (String name : each(NAMES)) {
      events.add(event(Map.of("headers", Map.of(name, "x"))));
    }
    for (String value : each(VALUES)) {
      events.add(event(Map.of("headers", Map.of("x", value))));
    }
    for (String type : each(CONTENT_TYPES)) {
      events.add(event(Map.of("content_type", type)));
    }
    for (String line : each(LINES)) {
      events.add(event(Map.of("aggregate_id", line)));
      events.add(event(Map.of("event_type", line)));
    }
    for (String topic : each(TOPICS)) {
      events.add(event(Map.of("aggregate_type", topic)));
      events.add(event(Map.of("aggregate_type", "Shop::Order", "topic", topic)));
    }
    for (String time : each(TIMES)) {
      events.add(event(Map.of("occurred_at", Instant.parse(time))));
    }
    return events;
  }

  private static String[] each(String texts) {
    return texts.split("\\|", -1);
  }

  @SuppressWarnings("unchecked")
  private static OutboxEvent event(Map<String, Object> values) {
    return new OutboxEvent(
        "outbox_event",
        "0199aa00-0000-7000-8000-000000000001",
        (String) values.getOrDefault("aggregate_type", "order"),
        (String) values.getOrDefault("aggregate_id", "42"),
        (String) values.getOrDefault("event_type", "Placed"),
        "{}".getBytes(StandardCharsets.UTF_8),
        (String) values.getOrDefault("content_type", "a/b"),
        (Map<String, String>) values.getOrDefault("headers", Map.of()),
        (String) values.get("topic"),
        (Instant) values.get("occurred_at"),
        Map.of());
  }

  @Test
  void refusesWhatTheAgentWouldHaveToParkAndNothingElse() throws Exception {
    PostgresDatabase database = postgres.newDatabase("01_outbox");
    List<String> differences = new ArrayList<>();
    int taken = 0;
    try (Connection connection = database.connect()) {
      for (OutboxEvent event : events()) {
        // In either style: the application does not know which one the agent is set to.
        boolean isRouted =
            isRouted(event, HeaderStyle.CLOUDEVENTS) && isRouted(event, HeaderStyle.DEBEZIUM);
        String refusal = insert(connection, event);
        if (isRouted != refusal.isEmpty()) {
          differences.add(
              (isRouted ? "only the table refuses " : "only the agent refuses ") + event);
        }
        taken += isRouted ? 1 : 0;
      }
    }
    assertThat(differences).isEmpty();
    assertThat(taken).isBetween(20, events().size() - 20);
  }

  private static boolean isRouted(OutboxEvent event, HeaderStyle style) {
    Router router =
        new Router(
            new RouteConfiguration("{aggregate_type}", List.of("*"), "{aggregate_id}", style, null),
            "orders",
            List.of());
    try {
      router.route(
          new SequencedEvent(
              event, SourcePosition.atCommit(1), Instant.parse("2026-01-02T03:04:05Z"), 7, 1));
      return true;
    } catch (RejectedEvent refused) {
      return false;
    }
  }

  /** What the database says; empty when it takes the row. */
  private static String insert(Connection connection, OutboxEvent event) throws Exception {
    String sql =
        """
        INSERT INTO outbox_event
          (aggregate_type, aggregate_id, event_type, content_type, headers, topic, occurred_at)
        VALUES (?, ?, ?, ?, ?::jsonb, ?, coalesce(?, now()))
        """;
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setString(1, event.aggregateType());
      statement.setString(2, event.aggregateId());
      statement.setString(3, event.eventType());
      statement.setString(4, event.contentType());
      statement.setString(5, new ObjectMapper().writeValueAsString(event.headers()));
      statement.setString(6, event.topic());
      statement.setObject(
          7,
          event.occurredAt() == null ? null : event.occurredAt().atOffset(ZoneOffset.UTC),
          java.sql.Types.TIMESTAMP_WITH_TIMEZONE);
      statement.executeUpdate();
      return "";
    } catch (SQLException refused) {
      return String.valueOf(refused.getMessage());
    }
  }
}
