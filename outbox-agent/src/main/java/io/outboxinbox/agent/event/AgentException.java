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
    public RejectedEvent(String message) {
      super(message, null);
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

    private Fatal(Gap gap) {
      super(String.valueOf(gap.getMessage()), gap);
    }
  }

  /**
   * Events may be in no stream; comparing table and topics finds and publishes them. Done at once
   * where the configuration says so, else the pipeline stays stopped until an operator asks for it.
   */
  public static final class Gap extends AgentException {
    private final transient @Nullable Checkpoint seenAt;

    public Gap(String what, String fix) {
      this(what + "; fix: " + fix, (Checkpoint) null);
    }

    private Gap(String message, @Nullable Checkpoint seenAt) {
      super(message, null);
      this.seenAt = seenAt;
    }

    /** The same gap, for one that only shows itself while reading from a checkpoint. */
    public Gap at(Checkpoint checkpoint) {
      return new Gap(String.valueOf(getMessage()), checkpoint);
    }

    /** The same for a gap that nobody but an operator may have healed. */
    public Fatal asFatal() {
      return new Fatal(this);
    }

    /** Where reading could not go on; null for a gap that the next start sees by itself. */
    public @Nullable Checkpoint seenAt() {
      return seenAt;
    }
  }
}
