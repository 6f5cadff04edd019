package io.outboxinbox.agent.route;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.AgentException.RejectedEvent;
import io.outboxinbox.agent.event.Destination;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.route.RouteConfiguration.HeaderStyle;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class RouterTest {
  private final Router router =
      new Router(
          Rows.cloudEvents("shop.{aggregate_type}", "shop.*", "audit"),
          "orders",
          List.of("shop.positions"));

  @Test
  void writesCloudEventsHeaders() {
    RoutedEvent routed = router.route(Rows.usual().sequenced());

    assertThat(routed.destination().topic()).isEqualTo("shop.order");
    assertThat(routed.destination().key()).isEqualTo("42");
    assertThat(Rows.headersOf(routed))
        .containsExactly(
            Map.entry("ce_specversion", "1.0"),
            Map.entry("ce_id", Rows.ID),
            Map.entry("ce_source", "/orders"),
            Map.entry("ce_type", "OrderPlaced"),
            Map.entry("ce_subject", "42"),
            Map.entry("ce_time", "2026-01-02T03:04:05Z"),
            Map.entry("ce_sequence", "0000000000000001234"),
            Map.entry("ce_epoch", "7"),
            Map.entry("content-type", "application/json"));
  }

  @Test
  void writesDebeziumHeadersAndKeepsSequence() {
    Router debezium = new Router(Rows.debezium("orders", "orders"), "orders", List.of());

    assertThat(
            Rows.headersOf(
                debezium.route(
                    Rows.usual().withHeaders(Map.of("traceparent", "00-ab-cd-01")).sequenced())))
        .containsExactly(
            Map.entry("id", Rows.ID),
            Map.entry("eventType", "OrderPlaced"),
            Map.entry("outbox_sequence", "0000000000000001234"),
            Map.entry("outbox_epoch", "7"),
            Map.entry("traceparent", "00-ab-cd-01"));
  }

  @Test
  void saysWhichSourceItIsWhoeverElseHasTheSameName() {
    SourceIdentity shard = new SourceIdentity("7611", "shop", "outbox_publication");
    SourceIdentity other = new SourceIdentity("7612", "shop", "outbox_publication");
    Router debezium = new Router(Rows.debezium("orders", "orders"), "orders", List.of());

    assertThat(Rows.headersOf(router.forSource(shard).route(Rows.usual().sequenced())))
        .containsEntry("ce_source", "/orders")
        .containsEntry("ce_sourceid", "7611/shop/outbox_publication");
    assertThat(Rows.headersOf(router.forSource(other).route(Rows.usual().sequenced())))
        .containsEntry("ce_source", "/orders")
        .containsEntry("ce_sourceid", "7612/shop/outbox_publication");
    assertThat(Rows.headersOf(debezium.forSource(shard).route(Rows.usual().sequenced())))
        .containsEntry("outbox_source", "7611/shop/outbox_publication");
  }

  @Test
  void passesRowHeadersOn() {
    Map<String, String> own = new LinkedHashMap<>();
    own.put("traceparent", "00-ab-cd-01");
    own.put("tracestate", "a=b");
    own.put("X-Tenant", "grün");

    assertThat(Rows.headersOf(router.route(Rows.usual().withHeaders(own).sequenced())))
        .containsAllEntriesOf(own);
  }

  @Test
  void prefersRowsOwnTopicTimeAndContentType() {
    RoutedEvent routed =
        router.route(
            Rows.usual()
                .withTopic("audit")
                .withOccurredAt(Instant.parse("2025-05-05T05:05:05.123456Z"))
                .withPayload(new byte[] {1}, "avro/binary")
                .sequenced());

    assertThat(routed.destination().topic()).isEqualTo("audit");
    assertThat(Rows.headersOf(routed))
        .containsEntry("ce_time", "2025-05-05T05:05:05.123456Z")
        .containsEntry("content-type", "avro/binary");
  }

  @Test
  void givesTombstoneNoContentType() {
    assertThat(
            Rows.headersOf(
                router.route(Rows.usual().withPayload(null, "application/json").sequenced())))
        .doesNotContainKey("content-type");
  }

  @Test
  void usesConfiguredSourceAndKey() {
    Router byTenant =
        new Router(
            new RouteConfiguration(
                "a", List.of("a"), "{tenant}:{id}", HeaderStyle.CLOUDEVENTS, "urn:shop:orders"),
            "orders",
            List.of());

    RoutedEvent routed =
        byTenant.route(Rows.usual().withExtra(Map.of("tenant", "acme")).sequenced());
    assertThat(routed.destination().key()).isEqualTo("acme:" + Rows.ID);
    assertThat(Rows.headersOf(routed)).containsEntry("ce_source", "urn:shop:orders");
    assertThat(byTenant.columns()).containsExactly("tenant");
  }

  @Test
  void sortsSequencesAsText() {
    String nine = sequenceHeader(9);
    String ten = sequenceHeader(10);
    String last = sequenceHeader(Long.MAX_VALUE);

    assertThat(List.of(last, ten, nine).stream().sorted()).containsExactly(nine, ten, last);
    assertThat(Long.parseLong(ten)).isEqualTo(10);
  }

  private String sequenceHeader(long sequence) {
    var usual = Rows.usual().sequenced();
    return Rows.headersOf(
            router.route(
                new SequencedEvent(
                    usual.event(), usual.position(), usual.committedAt(), 1, sequence)))
        .get("ce_sequence");
  }

  @Test
  void namesTopicsKnownBeforeAnyEvent() {
    assertThat(router.fixedTopics()).containsExactly("audit");
    assertThat(new Router(Rows.cloudEvents("b", "a", "b", "c*"), "p", List.of()).fixedTopics())
        .containsExactly("b", "a");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      nullValues = "null",
      textBlock =
          """
          shop.positions   | belongs to the agent itself
          other            | matches none of route.allowedTopics [shop.*, audit]
          __consumer_offsets | starts with __
          shop.a/b         | has characters outside [a-zA-Z0-9._-]
          'shop.ä'         | has characters outside [a-zA-Z0-9._-]
          ..               | is no name to a broker
          ''               | has 0 characters
          """)
  void rejectsTopic(String topic, String rule) {
    assertThatThrownBy(() -> router.route(Rows.usual().withTopic(topic).sequenced()))
        .isInstanceOf(RejectedEvent.class)
        .hasMessageStartingWith("event '" + Rows.ID + "': topic '" + topic + "' " + rule)
        .hasMessageEndingWith(
            "; correct the row's topic, or topic or allowedTopics of route or of its table");
  }

  @Test
  void rejectsTopicLongerThanKafkaTakes() {
    String longest = "shop." + "x".repeat(244);

    assertThat(router.route(Rows.usual().withTopic(longest).sequenced()).destination().topic())
        .isEqualTo(longest);
    assertThatThrownBy(() -> router.route(Rows.usual().withTopic(longest + "x").sequenced()))
        .hasMessageContaining("has 250 characters, allowed are 1 to 249");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "ce_id",
        "CE_ID",
        "Ce-Id",
        "ce_new",
        "ce_sourceid",
        "outbox_source",
        "Content-Type",
        "outbox_sequence",
        "OUTBOX_x"
      })
  void rejectsForgedHeader(String name) {
    assertThatThrownBy(() -> router.route(Rows.usual().withHeaders(Map.of(name, "v")).sequenced()))
        .isInstanceOf(RejectedEvent.class)
        .hasMessageContaining("header name '" + name + "' is reserved for the agent");
  }

  @ParameterizedTest
  @ValueSource(strings = {"id", "ID", "eventtype", "ce_id", "content-type"})
  void rejectsForgedHeaderInDebeziumStyle(String name) {
    Router debezium = new Router(Rows.debezium("orders", "orders"), "orders", List.of());

    assertThatThrownBy(
            () -> debezium.route(Rows.usual().withHeaders(Map.of(name, "v")).sequenced()))
        .hasMessageContaining("is reserved for the agent");
  }

  @Test
  void rejectsHeaderThatEndsAnHttpHeaderAndHidesItsValue() {
    assertThatThrownBy(
            () ->
                router.route(
                    Rows.usual().withHeaders(Map.of("a", "token\r\nce_id: 1")).sequenced()))
        .isInstanceOf(RejectedEvent.class)
        .hasMessageContaining("header a has CR, LF or NUL at position 6")
        .hasMessageNotContaining("token");
  }

  @Test
  void rejectsTooManyAndTooLargeHeaders() {
    Map<String, String> many = new LinkedHashMap<>();
    for (int i = 0; i < 65; i++) {
      many.put("h" + i, "v");
    }
    assertThatThrownBy(() -> router.route(Rows.usual().withHeaders(many).sequenced()))
        .hasMessageContaining("65 headers, allowed are 64");

    assertThatThrownBy(
            () ->
                router.route(
                    Rows.usual().withHeaders(Map.of("a", "x".repeat(32 * 1024))).sequenced()))
        .hasMessageContaining("headers exceed 32768 bytes with header a");
    assertThat(
            Rows.headersOf(
                router.route(
                    Rows.usual().withHeaders(Map.of("a", "x".repeat(32 * 1024 - 1))).sequenced())))
        .containsKey("a");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"application/cloudevents+json", " Application/CloudEvents", "json", "a/\n"})
  void rejectsContentTypeThatChangesWhatTheMessageIs(String contentType) {
    assertThatThrownBy(
            () -> router.route(Rows.usual().withPayload(new byte[0], contentType).sequenced()))
        .isInstanceOf(RejectedEvent.class)
        .hasMessageContaining("content type");
  }

  @Test
  void rejectsNamesThatEndAHeaderAndTimeNobodyCanWrite() {
    assertThatThrownBy(
            () ->
                router.route(
                    Rows.usual().withNames("a\nb", "order", "1", "OrderPlaced").sequenced()))
        .hasMessageStartingWith("event 'a?b': id has CR, LF or NUL at position 2");
    assertThatThrownBy(() -> router.route(Rows.usual().withOccurredAt(Instant.MAX).sequenced()))
        .hasMessageContaining("RFC 3339");
  }

  @Test
  void rejectsEmptyKey() {
    Router byTenant =
        new Router(
            new RouteConfiguration("a", List.of("a"), "{tenant}", HeaderStyle.CLOUDEVENTS, null),
            "orders",
            List.of());

    assertThatThrownBy(
            () -> byTenant.route(Rows.usual().withExtra(Map.of("tenant", "")).sequenced()))
        .hasMessageContaining("key from template '{tenant}' is empty");
  }

  private final Router ofTwo =
      new Router(
          Rows.cloudEvents("{aggregate_type}", "*"),
          Map.of(
              "outbox_event",
              Rows.cloudEvents("shop.{aggregate_type}", "shop.*"),
              "event",
              new RouteConfiguration(
                  "private",
                  List.of("private", "audit"),
                  "{aggregate_type}-{aggregate_id}",
                  HeaderStyle.CLOUDEVENTS,
                  null)),
          "orders",
          List.of());

  @Test
  void eachTableHasTopicKeyAndAllowList() {
    Destination shop = ofTwo.route(Rows.usual().sequenced()).destination();
    Destination event = ofTwo.route(Rows.usual().ofTable("event").sequenced()).destination();
    assertThat(List.of(shop.topic(), shop.key())).containsExactly("shop.order", "42");
    assertThat(List.of(event.topic(), event.key())).containsExactly("private", "order-42");
    // Whoever may write to one table does not reach the topics of the other.
    assertThatThrownBy(() -> ofTwo.route(Rows.usual().withTopic("private").sequenced()))
        .isInstanceOf(RejectedEvent.class)
        .hasMessageContaining("matches none of route.allowedTopics [shop.*]");
    assertThat(ofTwo.topicOrNull(Rows.usual().withTopic("private").event())).isNull();
    assertThat(ofTwo.fixedTopics()).containsExactlyInAnyOrder("private", "audit");
    assertThat(ofTwo.allowedTopics()).containsExactlyInAnyOrder("private", "audit", "shop.*");
    ofTwo.requireTopic("outbox_event", "shop.a");
    assertThatThrownBy(() -> ofTwo.requireTopic("event", "shop.a"))
        .isInstanceOf(AgentException.Misconfigured.class);
  }

  @Test
  void rejectsARowOfATableThatIsNotConfigured() {
    Rows row = Rows.usual().ofTable("gone");
    assertThatThrownBy(() -> ofTwo.route(row.sequenced()))
        .isInstanceOf(RejectedEvent.class)
        .hasMessageContaining("table 'gone' is not configured");
    assertThat(ofTwo.keyOrNull(row.event())).isNull();
    assertThat(ofTwo.topicOrNull(row.event())).isNull();
  }

  @ParameterizedTest
  @EnumSource(HeaderStyle.class)
  void namesTheTableOnlyWhereThereAreSeveral(HeaderStyle style) {
    RouteConfiguration route =
        new RouteConfiguration("a", List.of("a"), "{aggregate_id}", style, null);
    Router one = new Router(route, "orders", List.of());
    Router several =
        new Router(route, Map.of("outbox_event", route, "event", route), "orders", List.of());
    assertThat(Rows.headersOf(one.route(Rows.usual().sequenced())))
        .doesNotContainKey("outbox_table");
    assertThat(Rows.headersOf(several.route(Rows.usual().ofTable("event").sequenced())))
        .containsEntry("outbox_table", "event");
  }

  @Test
  void neverShowsPayload() {
    assertThatThrownBy(() -> router.route(Rows.usual().withTopic("no").sequenced()))
        .hasMessageNotContaining("secret");
  }

  @Test
  void refusesConfigurationThatCanNeverWork() {
    assertThatThrownBy(() -> new Router(Rows.cloudEvents("a", "b"), "p", List.of()))
        .hasMessage("route.topic: 'a' matches none of route.allowedTopics [b]");
    assertThatThrownBy(() -> new Router(Rows.cloudEvents("a"), "p", List.of()))
        .hasMessageStartingWith("route.allowedTopics is empty");
    assertThatThrownBy(() -> new Router(Rows.cloudEvents("a b{id}", "*"), "p", List.of()))
        .hasMessageStartingWith("route.topic: 'a b{id}' has characters outside");
    assertThatThrownBy(() -> new Router(Rows.cloudEvents("{id}", "pos"), "p", List.of("pos")))
        .hasMessageStartingWith("route.allowedTopics: 'pos' belongs to the agent itself");
    assertThatThrownBy(() -> new Router(Rows.cloudEvents("{id}", "a,*"), "p", List.of()))
        .hasMessageStartingWith("route.allowedTopics: 'a,*' has characters outside");
    assertThatThrownBy(() -> new Router(Rows.cloudEvents("a", "a"), "my orders", List.of()))
        .hasMessageContaining("'/my orders' is not a URI-reference");
  }
}
