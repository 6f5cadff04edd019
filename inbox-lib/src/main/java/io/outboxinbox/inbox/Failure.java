package io.outboxinbox.inbox;

/**
 * Why a message could not be handled. Shortened, and fit for a text column and a line of a log.
 *
 * @param reason the same for all failures of a kind, so that one can filter by it: the class of the
 *     exception, as a rule; at most {@link #REASON_CHARACTERS_MAX} characters are kept
 * @param detail what the exceptions say, at most {@link #DETAIL_CHARACTERS_MAX} characters are
 *     kept; nothing here adds the message's content, so handlers should not put it in exceptions
 * @param attempts how often it was tried, 0 if it was refused without a try
 */
public record Failure(String reason, String detail, int attempts) {
  public static final int REASON_CHARACTERS_MAX = 200;
  public static final int DETAIL_CHARACTERS_MAX = 2000;

  private static final int CAUSES_MAX = 10;

  public Failure {
    if (attempts < 0) {
      throw new IllegalArgumentException("attempts is " + attempts + "; it must be 0 or more");
    }
    reason = StoredText.shortened(reason, REASON_CHARACTERS_MAX);
    detail = StoredText.shortened(detail, DETAIL_CHARACTERS_MAX);
  }

  /** The class of the exception, and what it and its causes say. */
  public static Failure of(Throwable exception, int attempts) {
    StringBuilder detail = new StringBuilder(String.valueOf(exception.getMessage()));
    Throwable cause = exception.getCause();
    for (int i = 0; i < CAUSES_MAX && cause != null; i++) {
      detail.append("; caused by ").append(cause);
      cause = cause.getCause();
    }
    return new Failure(exception.getClass().getName(), detail.toString(), attempts);
  }
}
