package io.outboxinbox.inbox.kafka;

/** What becomes of a message that no further attempt will help. */
public enum FailurePolicy {
  /**
   * It becomes a dead letter, and later messages of its key wait behind it until it is retried or
   * discarded. Other keys go on. A message without a key holds up nothing.
   */
  HOLD_KEY,
  /** It becomes a dead letter, and later messages of its key are handled without it. */
  PASS,
  /**
   * Nothing is written; its partition stands still until the consumer is started anew or the
   * partition goes to another one. Other partitions go on. Only where a handler has committed by
   * itself are there dead letters all the same: its messages count as handled from then on, and
   * nothing else would tell of them.
   */
  STOP
}
