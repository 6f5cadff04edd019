package io.outboxinbox.inbox.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.inbox.Arrival;
import io.outboxinbox.inbox.Envelope;
import io.outboxinbox.inbox.InboxException;
import io.outboxinbox.inbox.MessageHeaders;
import io.outboxinbox.inbox.Origin;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.Test;

class KafkaMessagesTest {
  private static final byte[] VALUE = "{}".getBytes(StandardCharsets.UTF_8);

  @Test
  void readsWhatTheInboxAsksForWhateverTheTypesOfKeyAndValue() {
    ConsumerRecord<String, Integer> message = new ConsumerRecord<>("orders", 3, 7, "k", 1);
    add(message, MessageHeaders.ID, "m-1");
    add(message, MessageHeaders.SOURCE, "/orders");
    add(message, MessageHeaders.EPOCH, "2");
    add(message, MessageHeaders.SEQUENCE, "0000000000000000005");
    Arrival arrival = KafkaMessages.arrivalOf(message);
    assertThat(arrival.id().text()).isEqualTo("m-1");
    assertThat(arrival.origin()).isEqualTo(new Origin("/orders", "orders", 3, 2, 5));
  }

  @Test
  void readsTheIdUnderDebeziumsName() {
    ConsumerRecord<byte[], byte[]> message = new ConsumerRecord<>("orders", 3, 7, null, VALUE);
    add(message, MessageHeaders.DEBEZIUM_ID, "m-1");
    assertThat(KafkaMessages.arrivalOf(message).id().text()).isEqualTo("m-1");
    assertThat(KafkaMessages.arrivalOf(message).origin()).isNull();
  }

  @Test
  void refusesAMessageWithoutIdAndKeepsItForADeadLetter() {
    ConsumerRecord<byte[], byte[]> message = new ConsumerRecord<>("orders", 3, 7, null, VALUE);
    assertThatThrownBy(() -> KafkaMessages.arrivalOf(message))
        .isInstanceOf(InboxException.BadMessage.class);
    Envelope envelope = KafkaMessages.envelopeOf(message);
    assertThat(envelope.place()).isEqualTo("orders-3@7");
    assertThat(envelope.value()).isSameAs(VALUE);
  }

  /** The table of README.md is what the agent is tested against. */
  @Test
  void namesOfHeadersAreThoseOfTheReadme() throws Exception {
    String readme = Files.readString(Path.of("..", "README.md"));
    String table =
        readme.substring(readme.indexOf("## What arrives"), readme.indexOf("## Linking inbox-lib"));
    for (String name :
        List.of(
            MessageHeaders.ID,
            MessageHeaders.TYPE,
            MessageHeaders.SEQUENCE,
            MessageHeaders.EPOCH,
            MessageHeaders.SOURCE,
            MessageHeaders.SUBJECT,
            MessageHeaders.TIME,
            MessageHeaders.SPEC_VERSION,
            MessageHeaders.CONTENT_TYPE,
            MessageHeaders.PARKED_AT,
            MessageHeaders.DEBEZIUM_ID,
            MessageHeaders.DEBEZIUM_TYPE,
            MessageHeaders.DEBEZIUM_SEQUENCE,
            MessageHeaders.DEBEZIUM_EPOCH)) {
      assertThat(table).contains("| `" + name + "` |");
    }
  }

  private static void add(ConsumerRecord<?, ?> message, String name, String value) {
    message.headers().add(name, value.getBytes(StandardCharsets.UTF_8));
  }
}
