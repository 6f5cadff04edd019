package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.Arrival;
import io.outboxinbox.inbox.Envelope;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.InboxException;
import io.outboxinbox.inbox.MessageId;
import java.util.function.UnaryOperator;
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
    return arrivalOf(message, UnaryOperator.identity());
  }

  /**
   * As {@link #arrivalOf(ConsumerRecord)}, with one source of ids taken for another.
   *
   * @param source as for {@link #idOf}
   */
  public static Arrival arrivalOf(ConsumerRecord<?, ?> message, UnaryOperator<String> source) {
    Delivery delivery = Delivery.withoutContent(message);
    return Arrivals.arrival(delivery, idOf(delivery.envelope(), source));
  }

  /**
   * The id as the library reads it, for {@link InboxConsumerBuilder#messageId}: header {@code
   * ce_id}, or else {@code id}, within its source.
   *
   * @param source gets the source and says for which it counts, such as that of a database before
   *     it has moved; of ids that are UUIDs it changes nothing
   * @throws InboxException.BadMessage there is no usable id
   */
  public static MessageId idOf(Envelope envelope, UnaryOperator<String> source) {
    return Arrivals.idOfHeaders(envelope, source);
  }

  /** The message as it came, for a dead letter. The bytes are not copied. */
  public static Envelope envelopeOf(ConsumerRecord<byte[], byte[]> message) {
    return Delivery.of(message).envelope();
  }
}
