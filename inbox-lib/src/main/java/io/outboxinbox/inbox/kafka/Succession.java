package io.outboxinbox.inbox.kafka;

import org.jspecify.annotations.Nullable;

/** Which messages follow each other. */
interface Succession {
  /** What can be handled at once after the message at hand; null to end with that one. */
  @Nullable Delivery next();

  /**
   * The message at hand is committed, and what {@link #next} has returned takes its place.
   *
   * @return whether that may still be handled
   */
  boolean committed(MessageTransaction.Result result);
}
