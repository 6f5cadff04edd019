package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class OutboxMessageTest {
  @Test
  void refusesAnEventWithoutTypeOrId() {
    assertThatThrownBy(() -> OutboxMessage.builder().build())
        .isInstanceOf(InboxException.BadMessage.class)
        .hasMessage("an event has no aggregateType; set it before build()");
    assertThatThrownBy(() -> valid().aggregateId("").build())
        .isInstanceOf(InboxException.BadMessage.class)
        .hasMessageContaining("an empty aggregateId");
    assertThatThrownBy(() -> valid().aggregateId("a\0b").build())
        .isInstanceOf(InboxException.BadMessage.class)
        .hasMessageContaining("aggregateId has a NUL");
    assertThatThrownBy(() -> valid().payload("\"\uD800\"").build())
        .isInstanceOf(InboxException.BadMessage.class)
        .hasMessageContaining("half of a surrogate pair");
  }

  @Test
  void refusesWhatTheAgentCouldNotPutIntoHeaders() {
    assertThatThrownBy(() -> valid().aggregateId("1\n2").build())
        .isInstanceOf(InboxException.BadMessage.class)
        .hasMessageContaining("aggregateId has CR or LF");
    assertThatThrownBy(() -> valid().eventType("a\rb").build())
        .isInstanceOf(InboxException.BadMessage.class)
        .hasMessageContaining("eventType has CR or LF");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"json", "/json", "text/pl\u00E4in", "a/b\n", "Application/CloudEvents+json"})
  void refusesContentTypesThatTheAgentRefuses(String contentType) {
    assertThatThrownBy(() -> valid().contentType(contentType).build())
        .isInstanceOf(InboxException.BadMessage.class)
        .hasMessageContaining("contentType '");
  }

  /** The agent would refuse them and stop there. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "a b",
        "a:b",
        "h\u00E4",
        "ce_id",
        "CE-Type",
        "Outbox_sequence",
        "Content-Type",
        "id",
        "eventType"
      })
  void refusesHeaderNamesThatTheAgentRefuses(String name) {
    assertThatThrownBy(() -> valid().header(name, "v").build())
        .isInstanceOf(InboxException.BadMessage.class)
        .hasMessageContaining("header name '" + name + "'");
  }

  @ParameterizedTest
  @ValueSource(strings = {"secret\r", "secret\n", "secret\0", "secret\uDC00"})
  void refusesHeaderValuesThatEndAHeaderWithoutShowingThem(String value) {
    assertThatThrownBy(() -> valid().header("h", value).build())
        .isInstanceOf(InboxException.BadMessage.class)
        .hasMessageContaining("the value of an event's header h has")
        .hasMessageNotContaining("secret");
  }

  @Test
  void refusesMoreHeadersThanTheAgentTakes() {
    OutboxMessage.Builder builder = valid();
    IntStream.range(0, 64).forEach(i -> builder.header("h" + i, "v"));
    assertThat(builder.build().headers()).hasSize(64);
    assertThatThrownBy(() -> builder.header("one-more", "v").build())
        .hasMessageContaining("65 headers");
  }

  @Test
  void doesNotChangeWithItsBuilder() {
    OutboxMessage.Builder builder = valid().header("a", "1");
    OutboxMessage message = builder.build();
    builder.header("b", "2");
    assertThat(message.headers()).containsOnlyKeys("a");
  }

  @Test
  void showsNeitherPayloadNorHeaders() {
    assertThat(valid().payload("\"secret\"").header("h", "secret").build())
        .hasToString("OrderPlaced of order 1");
  }

  @Test
  void namesACauseByItsKeyWhereItsIdCannotStandInAHeader() {
    Message cause =
        OutboxIT.message("a\r\nb", List.of(OutboxIT.header("traceparent", "x\r\ninjected: 1")));
    OutboxMessage message = valid().causedBy(cause).build();
    assertThat(message.headers())
        .containsOnlyKeys("causation-id")
        .containsEntry("causation-id", cause.id().key().toString());
  }

  private static OutboxMessage.Builder valid() {
    return OutboxMessage.builder().aggregateType("order").aggregateId("1").eventType("OrderPlaced");
  }
}
