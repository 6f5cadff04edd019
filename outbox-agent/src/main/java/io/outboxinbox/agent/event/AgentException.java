package io.outboxinbox.agent.event;

import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** A failure whose type says what to do about it. */
public abstract sealed class AgentException extends RuntimeException {

  private AgentException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }

  /** A failure and what has caused it, one behind the other. */
  public static Stream<Throwable> causes(@Nullable Throwable failure) {
    return Stream.iterate(failure, Objects::nonNull, Throwable::getCause);
  }

  /** Passes by itself: close everything, wait, start again from the last durable position. */
  public static final class Retryable extends AgentException {
    /** Whose return is waited for. Only for the words people read; nothing is decided by it. */
    public enum Side {
      BROKER,
      DATABASE,
      /** Neither is away: another agent, the agent itself, or something unforeseen. */
      NEITHER
    }

    private final Side side;

    public Retryable(String message) {
      this(message, null);
    }

    public Retryable(Side side, String message) {
      this(side, message, null);
    }

    public Retryable(String message, @Nullable Throwable cause) {
      this(Side.NEITHER, message, cause);
    }

    public Retryable(Side side, String message, @Nullable Throwable cause) {
      super(message, cause);
      this.side = side;
    }

    public Side side() {
      return side;
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

  /**
   * So much is refused at once that the cause is no single event: nothing goes on before somebody
   * has mended it. The pipeline looks again from time to time.
   */
  public static final class Flood extends AgentException {
    public Flood(String what, String fix) {
      super(what + "; fix: " + fix, null);
    }
  }

  /**
   * The heap was too small for what came. All is well once it is larger or what came is smaller:
   * the pipeline looks again from time to time.
   */
  public static final class HeapExhausted extends AgentException {
    /**
     * Says how large the heap is.
     *
     * @param doing what it was too small for
     * @param otherWay what helps beside a larger heap; may be empty
     */
    public HeapExhausted(String doing, String otherWay, Throwable cause) {
      super(
          "the heap of %d MiB was exhausted while %s; fix: start the agent with a larger heap (-Xmx), ten times the largest row is enough%s"
              .formatted(Runtime.getRuntime().maxMemory() >> 20, doing, otherWay),
          cause);
    }

    /** Whether a failure comes from a full heap, wherever it was met. */
    public static boolean isCauseOf(@Nullable Throwable failure) {
      return causes(failure).anyMatch(OutOfMemoryError.class::isInstance);
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
