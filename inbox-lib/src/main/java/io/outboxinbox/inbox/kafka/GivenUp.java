package io.outboxinbox.inbox.kafka;

/**
 * Why a message becomes a dead letter.
 *
 * @param attempts how often its handler was called for it alone; 0 if never
 */
record GivenUp(Throwable cause, int attempts) {
  String reason() {
    return cause.getClass().getName();
  }

  /** What went wrong, with the causes that say more. */
  String detail() {
    StringBuilder detail = new StringBuilder(String.valueOf(cause.getMessage()));
    Throwable current = cause.getCause();
    // As deep as people nest, and an end where causes go round in a circle.
    for (int i = 0; i < 10 && current != null; i++) {
      detail.append(" <- ").append(current);
      current = current.getCause();
    }
    return detail.toString();
  }
}
