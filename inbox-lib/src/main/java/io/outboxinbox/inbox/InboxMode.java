package io.outboxinbox.inbox;

/** How the inbox remembers. */
public enum InboxMode {
  /** A row for each message. Right for every producer and every order of arrival. */
  IDS,
  /**
   * One row for each partition of a topic, with the number of its last message. Only for messages
   * that one fenced writer numbers (outbox-agent on Kafka), read with {@code read_committed} and
   * handled in the order of the partition, one after the other. A message without a number is
   * refused, and so is a new epoch until it is accepted.
   */
  WATERMARK,
  /** As {@link #WATERMARK} where a message is numbered, as {@link #IDS} where it is not. */
  HYBRID
}
