package io.outboxinbox.agent.route;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.AgentException.RejectedEvent;
import io.outboxinbox.agent.event.RoutedEvent;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/**
 * Whatever a row holds, it stays inside the topics it may reach and the headers it may set. Values
 * are mixed from pieces near the rules and from arbitrary text.
 */
class RouterProperties {
  private static final List<String> RESERVED = List.of("shop.positions", "outbox-agent-positions");
  private static final Pattern LEGAL = Pattern.compile("[a-zA-Z0-9._-]{1,249}");

  private final Router cloudEvents =
      new Router(
          Rows.cloudEvents("{aggregate_type}{event_type}", "shop.*", "*", "x*y"),
          "orders",
          RESERVED);
  private final Router narrow =
      new Router(Rows.debezium("shop.{aggregate_type}", "shop.*.v1"), "orders", RESERVED);

  private final Router ofTwo =
      new Router(
          Rows.cloudEvents("{aggregate_type}", "*"),
          Map.of(
              "outbox_event", Rows.cloudEvents("{aggregate_type}", "shop.*"),
              "event", Rows.cloudEvents("{aggregate_type}", "*.v1")),
          "orders",
          RESERVED);

  @Property(tries = 3000)
  void noRowLeavesTheAllowListOfItsTable(
      @ForAll("names") String type, @ForAll("names") String own) {
    for (Rows row :
        List.of(Rows.usual().withNames("1", type, "1", "t"), Rows.usual().withTopic(own))) {
      route(ofTwo, row)
          .ifPresent(routed -> assertThat(routed.destination().topic()).startsWith("shop."));
      route(ofTwo, row.ofTable("event"))
          .ifPresent(routed -> assertThat(routed.destination().topic()).endsWith(".v1"));
    }
  }

  @Property(tries = 3000)
  void noRowReachesReservedOrInternalTopic(
      @ForAll("names") String type, @ForAll("names") String event, @ForAll("names") String own) {
    for (Rows row :
        List.of(Rows.usual().withNames("1", type, "1", event), Rows.usual().withTopic(own))) {
      route(cloudEvents, row)
          .map(routed -> routed.destination().topic())
          .ifPresent(
              topic ->
                  assertThat(topic)
                      .matches(LEGAL)
                      .isNotIn(".", "..")
                      .isNotIn(RESERVED)
                      .doesNotStartWith("__"));
    }
  }

  @Property(tries = 3000)
  void noRowLeavesTheAllowList(@ForAll("names") String type, @ForAll("names") String own) {
    Pattern allowed = Pattern.compile("shop\\..*\\.v1", Pattern.DOTALL);
    for (Rows row :
        List.of(
            Rows.usual().withNames("1", type, "1", "t"),
            Rows.usual().withNames("1", type + ".v1", "1", "t"),
            Rows.usual().withTopic(own))) {
      route(narrow, row)
          .ifPresent(routed -> assertThat(routed.destination().topic()).matches(allowed));
    }
  }

  @Property(tries = 3000)
  void noRowForgesAHeader(@ForAll("headers") Map<String, String> own) {
    for (Router router : List.of(cloudEvents, narrow)) {
      Rows row = Rows.usual().withTopic("shop.a.v1");
      int ours = Rows.headersOf(router.route(row.sequenced())).size();
      route(router, row.withHeaders(own))
          .ifPresent(routed -> assertOnlyHarmlessAdded(routed, ours, own));
    }
  }

  /** Names are unique without regard to ours, and no value could end a line in HTTP. */
  private static void assertOnlyHarmlessAdded(
      RoutedEvent routed, int ours, Map<String, String> own) {
    Map<String, String> sent = Rows.headersOf(routed);
    assertThat(sent).hasSize(ours + own.size());
    List<String> names = sent.keySet().stream().map(n -> n.toLowerCase(Locale.ROOT)).toList();
    List<String> forged =
        names.subList(ours, names.size()).stream()
            .filter(n -> n.startsWith("ce_") || n.startsWith("outbox_") || names.indexOf(n) < ours)
            .toList();
    assertThat(forged).isEmpty();
    assertThat(sent.values()).noneMatch(value -> value.matches("(?s).*[\r\n\0].*"));
  }

  @Property(tries = 3000)
  void noRejectionSpansLines(@ForAll("names") String id, @ForAll("names") String topic) {
    try {
      narrow.route(Rows.usual().withNames(id, "a", "1", "t").withTopic(topic).sequenced());
    } catch (RejectedEvent e) {
      assertThat(e.getMessage().chars().noneMatch(Character::isISOControl)).isTrue();
      assertThat(e.getMessage()).doesNotContain("secret");
    }
  }

  @Property(tries = 5000)
  void globMeansWhatTheRegularExpressionMeans(
      @ForAll("globs") String glob, @ForAll("globs") String text) {
    String topic = text.replace("*", "a");
    Pattern expression = Pattern.compile(glob.replace(".", "\\.").replace("*", ".*"));

    assertThat(TopicRules.matches(glob, topic)).isEqualTo(expression.matcher(topic).matches());
  }

  private static Optional<RoutedEvent> route(Router router, Rows row) {
    try {
      return Optional.of(router.route(row.sequenced()));
    } catch (RejectedEvent e) {
      return Optional.empty();
    }
  }

  @Provide
  Arbitrary<String> names() {
    Arbitrary<String> pieces =
        Arbitraries.of(
                "shop.",
                "positions",
                "outbox-agent-",
                "__",
                "_",
                ".",
                "*",
                "v1",
                ".v1",
                "a",
                "\n",
                "\0",
                "{aggregate_id}",
                "shop.positions",
                "Ａ",
                "x".repeat(120))
            .list()
            .ofMaxSize(5)
            .map(parts -> String.join("", parts));
    return Arbitraries.oneOf(pieces, Arbitraries.strings().ofMaxLength(30));
  }

  @Provide
  Arbitrary<Map<String, String>> headers() {
    Arbitrary<String> names =
        Arbitraries.of(
            "ce_id",
            "CE_ID",
            "ce-source",
            "id",
            "Id",
            "ID",
            "eventType",
            "eventtype",
            "content-type",
            "CONTENT-TYPE",
            "outbox_epoch",
            "traceparent",
            "x",
            " id",
            "id ",
            "id\0",
            "ce__id",
            "\u0131d",
            "a:b",
            "");
    Arbitrary<String> values = Arbitraries.of("v", "", "a\r\nce_id: 2", "\0", "é");
    return Arbitraries.maps(Arbitraries.oneOf(names, Arbitraries.strings().ofMaxLength(5)), values)
        .ofMaxSize(3);
  }

  @Provide
  Arbitrary<String> globs() {
    return Arbitraries.strings().withChars('a', 'b', '*', '.').ofMaxLength(12);
  }
}
