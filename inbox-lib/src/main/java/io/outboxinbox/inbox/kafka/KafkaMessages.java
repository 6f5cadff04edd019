package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.Arrival;
import io.outboxinbox.inbox.Envelope;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.InboxException;
import io.outboxinbox.inbox.MessageId;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** Reads from a record of Kafka what the inbox asks for; for poll loops of your own. */
public final class KafkaMessages {
  private KafkaMessages() {}

  /**
   * What to ask {@link Inbox#admit} with: id, time of sending, and number if the agent gave one.
   * Reads headers only, so key and value may be of any type.
   *
   * @throws InboxException.BadMessage there is no usable id in {@code ce_id} or {@code id}: keep
   *     the message with {@link io.outboxinbox.inbox.DeadLetters#addUnadmitted}
   */
  public static Arrival arrivalOf(ConsumerRecord<?, ?> message) {
    Delivery delivery = Delivery.withoutContent(message);
    MessageId id = Arrivals.idOfHeaders(delivery.envelope());
    return Arrivals.arrival(delivery, id);
  }

  /** The message as it came, for a dead letter. The bytes are not copied. */
  public static Envelope envelopeOf(ConsumerRecord<byte[], byte[]> message) {
    return Delivery.of(message).envelope();
  }
}
