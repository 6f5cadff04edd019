package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class OriginTest {
  private static Envelope envelope(String topic, String source) {
    List<Envelope.Header> headers =
        Map.of("ce_source", source, "ce_epoch", "1", "ce_sequence", "7").entrySet().stream()
            .map(
                header ->
                    new Envelope.Header(
                        header.getKey(), header.getValue().getBytes(StandardCharsets.UTF_8)))
            .toList();
    return new Envelope(topic, 0, 3, null, null, Instant.EPOCH, headers);
  }

  /** The database would refuse such a message again and again. */
  @Test
  void aMessageWhoseSourceOrTopicTheTablesCannotHoldCountsAsNotNumbered() {
    assertThat(Origin.of(envelope("t".repeat(249), "s".repeat(255)))).isPresent();
    assertThat(Origin.of(envelope("t", "s".repeat(256)))).isEmpty();
    assertThat(Origin.of(envelope("t".repeat(250), "s"))).isEmpty();
  }

  @Test
  void refusesASourceTheTablesCannotHoldWithTheLimit() {
    assertThatThrownBy(() -> new Origin("s".repeat(100_000), "t", 0, 1, 1))
        .isInstanceOf(InboxException.BadMessage.class)
        .hasMessageContaining("100000 characters, more than 255");
  }

  /** MySQL would take it for the one without. */
  @Test
  void aMessageWhoseSourceEndsWithABlankCountsAsNotNumbered() {
    assertThat(Origin.of(envelope("t", "s "))).isEmpty();
    assertThat(Origin.of(envelope("t", " s"))).isPresent();
    assertThatThrownBy(() -> new Origin("s ", "t", 0, 1, 1))
        .isInstanceOf(InboxException.BadMessage.class)
        .hasMessageContaining("ends with a blank");
  }

  @Test
  void noConsumersNameEndsWithABlank() {
    assertThatThrownBy(() -> Inbox.named("inventory "))
        .isInstanceOf(InboxException.Misconfigured.class)
        .hasMessageContaining("ends with a blank");
    assertThat(Inbox.named(" in ventory").build().consumer()).isEqualTo(" in ventory");
  }
}
