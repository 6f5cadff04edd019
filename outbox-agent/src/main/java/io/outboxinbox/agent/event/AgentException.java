package io.outboxinbox.agent.event;

import org.jspecify.annotations.Nullable;

/** A failure whose type says what to do about it. */
public abstract sealed class AgentException extends RuntimeException {

  private AgentException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }

  /** Passes by itself: close everything, wait, start again from the last durable position. */
  public static final class Retryable extends AgentException {
    public Retryable(String message, @Nullable Throwable cause) {
      super(message, cause);
    }
  }

  /** This event will never be taken; all others would be. */
  public static final class RejectedEvent extends AgentException {
    private final boolean isTopicMissing;

    public RejectedEvent(String message) {
      this(message, false);
    }

    /**
     * Tells a missing topic apart, because somebody may be about to create it.
     *
     * @param isTopicMissing whether nothing is wrong with the event but that its topic is not there
     */
    public RejectedEvent(String message, boolean isTopicMissing) {
      super(message, null);
      this.isTopicMissing = isTopicMissing;
    }

    public boolean isTopicMissing() {
      return isTopicMissing;
    }
  }

  /**
   * Somebody has to change something first, and nothing has been missed: the pipeline looks again
   * from time to time.
   */
  public static final class Misconfigured extends AgentException {
    public Misconfigured(String what, String fix) {
      super(what + "; fix: " + fix, null);
    }
  }

  /** Going on could skip or repeat events: the pipeline stays stopped until an operator decides. */
  public static final class Fatal extends AgentException {
    public Fatal(String what, String fix) {
      super(what + "; fix: " + fix, null);
    }
  }
}
