package io.outboxinbox.inbox.kafka;

import java.time.Duration;

/**
 * Hears what a consumer does, for metrics. Called on the consumer's own threads, several at once:
 * be quick. What it throws is logged and changes nothing.
 */
public interface ConsumerListener {
  /** A transaction with this many new messages has committed; the time is the whole transaction. */
  default void handled(String topic, int messages, Duration time) {}

  /** Repeats were recognised; nothing was done for them. */
  default void duplicates(String topic, int messages) {}

  /** A message was older than the inbox remembers, and became a dead letter. */
  default void tooOld(String topic, int messages) {}

  /**
   * A transaction has failed and will be run again.
   *
   * @param attempt how often this message, or this batch, has failed so far, from 1
   */
  default void retried(String topic, int partition, int attempt, Throwable failure) {}

  /** A message became a dead letter. */
  default void deadLettered(String topic, int partition, String reason) {}

  /** Messages were queued behind a dead letter of their key. */
  default void queuedBehind(String topic, int messages) {}

  /** How many messages of a partition are not done yet, told every few seconds. */
  default void lag(String topic, int partition, long messages) {}

  /** A partition is not this consumer's any more; its lag says nothing now. */
  default void released(String topic, int partition) {}

  /** Partitions came and went. */
  default void rebalanced(int assigned, int revoked, int lost) {}

  /** The consumer's state has changed; the reason is empty where all is well. */
  default void stateChanged(ConsumerState from, ConsumerState to, String reason) {}

  /** Hears nothing. */
  static ConsumerListener none() {
    return new ConsumerListener() {};
  }
}
