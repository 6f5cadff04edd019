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
    private final long sequence;

    public RejectedEvent(String message) {
      this(message, false, 0);
    }

    private RejectedEvent(String message, boolean isTopicMissing, long sequence) {
      super(message, null);
      this.isTopicMissing = isTopicMissing;
      this.sequence = sequence;
    }

    /**
     * Nothing is wrong with the event but that its topic is not there, and may be made any time.
     */
    public static RejectedEvent topicMissing(String message) {
      return new RejectedEvent(message, true, 0);
    }

    /** The broker itself said which event of a batch it was. */
    public static RejectedEvent known(String message, long sequence) {
      return new RejectedEvent(message, false, sequence);
    }

    public boolean isTopicMissing() {
      return isTopicMissing;
    }

    /** Of the event rejected; 0 where it is the only one, or not known. */
    public long sequence() {
      return sequence;
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
