package io.outboxinbox.inbox.kafka;

/** How a consumer is. Where several apply, the last one of this list. */
public enum ConsumerState {
  /** Not started. */
  NEW,
  /** Everything flows, or there is nothing to do. */
  RUNNING,
  /** A transaction takes longer than five minutes; the reason says whose, and how far it is. */
  SLOW,
  /** Kafka refuses or has failed; the consumer begins anew with pauses, for ever. */
  WAITING_FOR_BROKER,
  /** The database is away; what is at hand is tried again with pauses, for ever. */
  WAITING_FOR_DATABASE,
  /**
   * Tables, rights, versions or numbers do not fit; tried again with pauses until a person has
   * mended it.
   */
  MISCONFIGURED,
  /** A message failed for good and its partition stands still: {@link FailurePolicy#STOP}. */
  STOPPED,
  /** Closed for good. */
  CLOSED
}
