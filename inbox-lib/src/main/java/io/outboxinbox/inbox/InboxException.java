package io.outboxinbox.inbox;

/**
 * Why the inbox cannot answer. The kind says what to do; the message says what is wrong, with its
 * values, and the way out. Failures of the database itself stay {@link java.sql.SQLException}s; see
 * {@link RetryAdvice}.
 */
public abstract class InboxException extends RuntimeException {
  private InboxException(String problem, String fix) {
    super(problem + "; " + fix);
  }

  /** Roll back and run the whole transaction again. */
  public static final class Retryable extends InboxException {
    public Retryable(String problem) {
      super(problem, "roll back and run the whole transaction again");
    }
  }

  /** The calling code is wrong: a connection that cannot hold the promise, for example. */
  public static final class Misused extends InboxException {
    public Misused(String problem, String fix) {
      super(problem, fix);
    }
  }

  /** Tables, rights or settings do not fit; a person has to mend them. */
  public static final class Misconfigured extends InboxException {
    public Misconfigured(String problem, String fix) {
      super(problem, fix);
    }
  }

  /** This message can never be handled by this inbox; keep it as a dead letter. */
  public static final class BadMessage extends InboxException {
    public BadMessage(String problem, String fix) {
      super(problem, fix);
    }
  }

  /** The message or key is older than what the inbox remembers, so nobody knows whether it ran. */
  public static final class Forgotten extends InboxException {
    public Forgotten(String problem, String fix) {
      super(problem, fix);
    }
  }

  /**
   * Work for this key has begun and is not done, so its effects may be in the database in part: it
   * has ended its transaction, or it has failed and was committed all the same, or it is this work
   * that asks for its own key.
   */
  public static final class Unfinished extends InboxException {
    public Unfinished(String problem, String fix) {
      super(problem, fix);
    }
  }
}
