package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.Arrival;
import io.outboxinbox.inbox.Envelope;
import io.outboxinbox.inbox.MessageHeaders;
import io.outboxinbox.inbox.MessageId;
import io.outboxinbox.inbox.Origin;
import java.nio.charset.StandardCharsets;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Reads from a message what the inbox has to know of it. */
final class Arrivals {
  /** With consumer and topic it has to fit into an index entry of PostgreSQL, 2,700 bytes. */
  private static final int SOURCE_BYTES_MAX = 1_000;

  private final Function<Envelope, MessageId> messageId;

  Arrivals(Function<Envelope, MessageId> messageId) {
    this.messageId = messageId;
  }

  /** The id in header {@code ce_id}, or else in header {@code id}. */
  static MessageId idOfHeaders(Envelope envelope) {
    return MessageId.of(
        envelope
            .header(MessageHeaders.ID)
            .or(() -> envelope.header(MessageHeaders.DEBEZIUM_ID))
            .orElse(null));
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
    return new Arrival(id, delivery.isDated() ? envelope.sentAt() : null, origin(envelope));
  }

  /**
   * Null unless all of source, epoch and sequence are there and such as can be stored: a message
   * whose numbers make no sense counts as not numbered.
   */
  private static @Nullable Origin origin(Envelope envelope) {
    Optional<String> source = envelope.header(MessageHeaders.SOURCE).filter(Arrivals::isUsable);
    OptionalLong epoch = number(envelope.header(MessageHeaders.EPOCH));
    OptionalLong sequence = number(envelope.header(MessageHeaders.SEQUENCE));
    return source.isPresent() && epoch.isPresent() && sequence.isPresent()
        ? new Origin(
            source.get(),
            envelope.topic(),
            envelope.partition(),
            epoch.getAsLong(),
            sequence.getAsLong())
        : null;
  }

  private static boolean isUsable(String source) {
    return !source.isEmpty()
        && source.length() <= SOURCE_BYTES_MAX
        && source.getBytes(StandardCharsets.UTF_8).length <= SOURCE_BYTES_MAX
        && source.chars().noneMatch(Character::isISOControl);
  }

  private static OptionalLong number(Optional<String> text) {
    try {
      long number = text.isPresent() ? Long.parseLong(text.get()) : -1;
      return number < 0 ? OptionalLong.empty() : OptionalLong.of(number);
    } catch (NumberFormatException notOne) {
      return OptionalLong.empty();
    }
  }
}
