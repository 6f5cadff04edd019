package io.outboxinbox.inbox;

import org.jspecify.annotations.Nullable;

/**
 * What became of a dead letter that was tried again.
 *
 * @param deadLetterId which one
 * @param inFront with {@link Status#BLOCKED}, the dead letter that has to be settled first; else 0
 * @param failure with {@link Status#FAILED}, what went wrong this time, as one attempt; else null.
 *     {@link DeadLetter#failure()} has the attempts of all times
 */
public record RetryOutcome(
    long deadLetterId, Status status, long inFront, @Nullable Failure failure) {

  /** The ways it can end. */
  public enum Status {
    /** Its effects are in the database and it is no dead letter any more. */
    DONE,
    /**
     * Its effects were in the database already, from an earlier retry of the same message. The
     * handler did not run; it is no dead letter any more.
     */
    DUPLICATE,
    /** There is no such dead letter, or no more: it was retried, discarded or purged. */
    GONE,
    /**
     * An older one of its key is in front, see {@link RetryOutcome#inFront()}; nothing was done.
     */
    BLOCKED,
    /**
     * The message is older than what the inbox remembers, so a redelivery may have been handled
     * meanwhile; nothing was done. Look whether its effects are there, then discard or force it.
     */
    TOO_OLD,
    /** The handler failed again; nothing of it is in the database, and the attempt is counted. */
    FAILED
  }

  static RetryOutcome of(long id, Status status) {
    return new RetryOutcome(id, status, 0, null);
  }

  /** Whether it is no dead letter any more through this retry. */
  public boolean isSettled() {
    return status == Status.DONE || status == Status.DUPLICATE;
  }
}
