package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.Arrival;
import io.outboxinbox.inbox.Envelope;
import io.outboxinbox.inbox.MessageHeaders;
import io.outboxinbox.inbox.MessageId;
import io.outboxinbox.inbox.Origin;
import java.util.Objects;
import java.util.function.Function;

/** Reads from a message what the inbox has to know of it. */
final class Arrivals {
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
    return new Arrival(
        id, delivery.isDated() ? envelope.sentAt() : null, Origin.of(envelope).orElse(null));
  }
}
