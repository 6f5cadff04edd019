package io.outboxinbox.inbox;

/**
 * What the inbox says of a message.
 *
 * @param transaction tells the transaction that has admitted it as new from all others, for {@link
 *     Inbox#isCommitted}; 0 if nothing does
 */
public record Outcome(Arrival arrival, Status status, long transaction) {

  /** The three answers. */
  public enum Status {
    /** Never seen: do the work now, in this transaction. */
    NEW,
    /** Its effects are in the database, or come with this very transaction: do nothing. */
    DUPLICATE,
    /**
     * Older than what the inbox still remembers: nobody knows whether its effects are in the
     * database. Have it looked at; never just do the work.
     */
    TOO_OLD
  }

  public MessageId id() {
    return arrival.id();
  }

  public boolean isNew() {
    return status == Status.NEW;
  }

  public boolean isDuplicate() {
    return status == Status.DUPLICATE;
  }

  public boolean isTooOld() {
    return status == Status.TOO_OLD;
  }
}
