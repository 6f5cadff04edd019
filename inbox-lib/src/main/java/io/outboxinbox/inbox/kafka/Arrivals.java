package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.Arrival;
import io.outboxinbox.inbox.Envelope;
import io.outboxinbox.inbox.InboxException;
import io.outboxinbox.inbox.MessageHeaders;
import io.outboxinbox.inbox.MessageId;
import io.outboxinbox.inbox.Origin;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** Reads from a message what the inbox has to know of it. */
final class Arrivals {
  private static final int BYTES_SHOWN = 32;

  private final Function<Envelope, MessageId> messageId;

  Arrivals(Function<Envelope, MessageId> messageId) {
    this.messageId = messageId;
  }

  /** The id in header {@code ce_id}, or else in header {@code id}, within its source. */
  static MessageId idOfHeaders(Envelope envelope) {
    return idOfHeaders(envelope, UnaryOperator.identity());
  }

  /** The same, where one source may count for another. */
  static MessageId idOfHeaders(Envelope envelope, UnaryOperator<String> source) {
    String name =
        envelope.headerBytes(MessageHeaders.ID).isPresent()
            ? MessageHeaders.ID
            : MessageHeaders.DEBEZIUM_ID;
    byte @Nullable [] bytes = envelope.headerBytes(name).orElse(null);
    return MessageId.of(bytes == null ? null : text(name, bytes), source.apply(source(envelope)));
  }

  /** Not as readers for people do it: what they put for bytes that are no text is all the same. */
  private static String text(String header, byte[] bytes) {
    return decoded(bytes).orElseThrow(() -> noText(header, bytes));
  }

  private static InboxException noText(String header, byte[] bytes) {
    byte[] shown = Arrays.copyOf(bytes, Math.min(bytes.length, BYTES_SHOWN));
    return new InboxException.BadMessage(
        "the id of a message is no text in UTF-8: header %s has %d bytes, 0x%s%s"
            .formatted(
                header,
                bytes.length,
                HexFormat.of().formatHex(shown),
                bytes.length > BYTES_SHOWN ? "..." : ""),
        "send ids as text, or read these with InboxConsumer.builder().messageId(...)");
  }

  private static Optional<String> decoded(byte[] bytes) {
    try {
      return Optional.of(
          StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString());
    } catch (CharacterCodingException noText) {
      return Optional.empty();
    }
  }

  /** Whose id it is: as the agent or CloudEvents say; of others no more is known than the topic. */
  private static String source(Envelope envelope) {
    return envelope
        .headerBytes(MessageHeaders.SOURCE_ID)
        .or(() -> envelope.headerBytes(MessageHeaders.DEBEZIUM_SOURCE_ID))
        .or(() -> envelope.headerBytes(MessageHeaders.SOURCE))
        .map(bytes -> decoded(bytes).orElseGet(() -> HexFormat.of().formatHex(bytes)))
        .orElseGet(envelope::topic);
  }

  /** Leaves with the delivery either an arrival or the reason why there is none. */
  void read(Delivery delivery) {
    if (delivery.isRead()) {
      return;
    }
    try {
      Envelope envelope = delivery.envelope();
      // Readers are not ours; what they forget has to be refused as an id that is missing is.
      MessageId id =
          Objects.requireNonNullElseGet(
              messageId.apply(envelope), () -> MessageId.of((String) null));
      delivery.accept(arrival(delivery, id));
    } catch (RuntimeException e) {
      delivery.refuse(e);
    }
  }

  static Arrival arrival(Delivery delivery, MessageId id) {
    Envelope envelope = delivery.envelope();
    return new Arrival(
        id, delivery.isDated() ? envelope.sentAt() : null, Origin.of(envelope).orElse(null));
  }
}
