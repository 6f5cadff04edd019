package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.Failure;

/**
 * Why a message becomes a dead letter.
 *
 * @param attempts how often its handler was called for it alone; 0 if never
 */
record GivenUp(Throwable cause, int attempts) {
  Failure failure() {
    return Failure.of(cause, attempts);
  }
}
