package io.outboxinbox.inbox;

import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/**
 * A transaction ended before its work was done. Where it was committed, the message's id is in the
 * database with a part of its effects: asking the inbox again answers {@code DUPLICATE}, though
 * nobody has done the rest. Never run such work again on the inbox's word; let a person look.
 *
 * <p>SQLState 25P01, for which {@link RetryAdvice} is always {@link RetryAdvice#NEVER}.
 */
public final class TransactionEndedException extends SQLException {
  /** SQL:2016, class 25 invalid transaction state; PostgreSQL: no active SQL transaction. */
  static final String NO_TRANSACTION = "25P01";

  private static final int CAUSES_MAX = 50;

  private static final String WAY_OUT =
      "look what is there, and mend the work before it runs again, which adds it again: use no SQL"
          + " that commits or rolls back (on MySQL and MariaDB also DDL and procedures that"
          + " commit), and do not swallow a deadlock, which rolls everything back there";

  TransactionEndedException() {
    super(
        "the transaction has ended before its work was done, so what was written before may be"
            + " committed, and nothing behind it is; "
            + WAY_OUT,
        NO_TRANSACTION);
  }

  /**
   * As found when something else had failed.
   *
   * @param failure what the work has thrown behind it
   */
  TransactionEndedException(Throwable failure) {
    this();
    initCause(failure);
  }

  private TransactionEndedException(String problem, Throwable failure) {
    super(problem + "; " + WAY_OUT, NO_TRANSACTION, failure);
  }

  /**
   * Says it of messages whose ids were found in the database.
   *
   * @param failure how it was noticed
   */
  public static TransactionEndedException committed(
      int messages, String firstPlace, Throwable failure) {
    String which =
        messages == 1 ? "of this message" : "of " + messages + " messages from " + firstPlace;
    return new TransactionEndedException(
        "the transaction "
            + which
            + " has ended under the handler: their ids are committed, and their effects may be"
            + " committed whole, in part or not at all, so none of them is handled again",
        failure);
  }

  /** Whether it is this or was caused by it. */
  public static boolean isIn(Throwable failure) {
    @Nullable Throwable current = failure;
    for (int i = 0; i < CAUSES_MAX && current != null; i++) {
      if (current instanceof TransactionEndedException) {
        return true;
      }
      current = current.getCause();
    }
    return false;
  }
}
