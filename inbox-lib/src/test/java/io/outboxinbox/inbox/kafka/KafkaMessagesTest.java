package io.outboxinbox.inbox.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.inbox.Arrival;
import io.outboxinbox.inbox.Envelope;
import io.outboxinbox.inbox.InboxException;
import io.outboxinbox.inbox.MessageHeaders;
import io.outboxinbox.inbox.MessageId;
import io.outboxinbox.inbox.Origin;
import java.nio.ByteBuffer;
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

  /** The table of docs/MESSAGES.md is what the agent is tested against. */
  @Test
  void namesOfHeadersAreThoseOfTheDocuments() throws Exception {
    String table = Files.readString(Path.of("..", "docs", "MESSAGES.md"));
    for (String name :
        List.of(
            MessageHeaders.ID,
            MessageHeaders.TYPE,
            MessageHeaders.SEQUENCE,
            MessageHeaders.EPOCH,
            MessageHeaders.SOURCE,
            MessageHeaders.SOURCE_ID,
            MessageHeaders.DEBEZIUM_SOURCE_ID,
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

  private static MessageId idOf(String topic, String... headers) {
    ConsumerRecord<byte[], byte[]> message = new ConsumerRecord<>(topic, 3, 7, null, VALUE);
    for (int i = 0; i < headers.length; i += 2) {
      add(message, headers[i], headers[i + 1]);
    }
    return KafkaMessages.arrivalOf(message).id();
  }

  @Test
  void keepsIdsApartByWhatSaysWhoseTheyAre() {
    MessageId known = idOf("a", "ce_id", "1", "ce_source", "/s", "ce_sourceid", "7/shop/p");
    assertThat(known)
        .isEqualTo(idOf("b", "ce_id", "1", "ce_source", "/renamed", "ce_sourceid", "7/shop/p"))
        .isEqualTo(idOf("b", "id", "1", "outbox_source", "7/shop/p"))
        .isNotEqualTo(idOf("a", "ce_id", "1", "ce_source", "/s", "ce_sourceid", "8/shop/p"))
        .isNotEqualTo(idOf("a", "ce_id", "1", "ce_source", "/s"));
    assertThat(idOf("a", "id", "1"))
        .isEqualTo(idOf("a", "id", "1"))
        .isNotEqualTo(idOf("b", "id", "1"));
    String uuid = "f47ac10b-58cc-4372-a567-0e02b2c3d479";
    assertThat(idOf("a", "id", uuid)).isEqualTo(idOf("b", "ce_id", uuid, "ce_source", "/s"));
  }

  @Test
  void refusesAnIdThatIsNoTextAndShowsItsBytes() {
    byte[] id = ByteBuffer.allocate(8).putLong(0x0190L << 48 | 200).array();
    ConsumerRecord<byte[], byte[]> message = new ConsumerRecord<>("orders", 3, 7, null, VALUE);
    message.headers().add(MessageHeaders.ID, id);
    assertThatThrownBy(() -> KafkaMessages.arrivalOf(message))
        .isInstanceOf(InboxException.BadMessage.class)
        .hasMessageContaining("header ce_id has 8 bytes, 0x01900000000000c8")
        .hasMessageContaining("messageId(");
  }
}
