package io.outboxinbox.inbox;

import io.outboxinbox.inbox.DeadLetter.State;
import io.outboxinbox.inbox.DeadLetterTable.Position;
import io.outboxinbox.inbox.RetryOutcome.Status;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** Handles dead letters again, each in a transaction of its own. */
final class DeadLetterRetry {
  /** A handler that meets a conflict is run again at once; after so many it has failed. */
  private static final int CONFLICTS_MAX = 10;

  private final Inbox inbox;
  private final DeadLetterTable table;

  DeadLetterRetry(Inbox inbox, DeadLetterTable table) {
    this.inbox = inbox;
    this.table = table;
  }

  RetryOutcome retry(Transactions transactions, long id, MessageHandler handler, boolean isForced)
      throws SQLException {
    Attempt attempt = new Attempt(id, handler, isForced);
    try {
      return transactions.runThroughConflicts(CONFLICTS_MAX, attempt::run);
    } catch (SQLException | RuntimeException e) {
      if (!attempt.isHandlerReached) {
        throw e;
      }
      Exception cause = e instanceof HandlerFailure h ? h.cause() : e;
      if (RetryAdvice.of(cause) == RetryAdvice.MEND) {
        throw notOfTheMessage(id, cause);
      }
      return failed(transactions, id, cause);
    }
  }

  /** The database is not as the handler needs it: the next one would meet the same. */
  private static SQLException notOfTheMessage(long id, Exception cause) {
    @Nullable Throwable current = cause;
    while (current != null && !(current instanceof SQLException)) {
      current = current.getCause();
    }
    return current instanceof SQLException sql
        ? sql
        : new SQLException("dead letter " + id + " was not tried: " + cause.getMessage(), cause);
  }

  /**
   * Counts the attempt. Whatever went wrong after the handler had begun is its failure: a statement
   * of its own that it ignored breaks ours, and a deferred constraint breaks the commit.
   */
  private RetryOutcome failed(Transactions transactions, long id, Exception cause)
      throws SQLException {
    if (cause instanceof InterruptedException) {
      Thread.currentThread().interrupt();
    }
    Failure failure = Failure.of(cause, 1);
    try {
      boolean isThere =
          transactions.runThroughConflicts(
              CONFLICTS_MAX,
              c -> {
                if (TransactionEndedException.isIn(cause)) {
                  keepAdmitted(c, id);
                }
                return table.fail(c, id, failure);
              });
      // Gone after a failure: the connection was lost with the answer to a commit that took place.
      return isThere
          ? new RetryOutcome(id, Status.FAILED, 0, failure)
          : RetryOutcome.of(id, Status.GONE);
    } catch (SQLException e) {
      e.addSuppressed(cause);
      throw e;
    }
  }

  /**
   * Its id may be there now, and the next retry must not take that for its effects. So it is there
   * for certain, and the row says so.
   */
  private void keepAdmitted(Connection connection, long id) throws SQLException {
    DeadLetter letter = table.find(connection, id);
    if (letter != null
        && !letter.isAdmitted()
        && !inbox.admitById(connection, letter.arrival()).isTooOld()) {
      table.setAdmitted(connection, id);
    }
  }

  RetrySummary retryAll(
      Transactions transactions, DeadLetterFilter filter, MessageHandler handler, int page)
      throws SQLException {
    Tally tally = new Tally();
    long last = transactions.run(table::lastId);
    long after = 0;
    List<Position> positions;
    do {
      long from = after;
      positions = transactions.run(c -> table.page(c, filter, from, last, page));
      // Only saves questions: the front that failed is still there and would block them anyway.
      Set<Key> stopped = new HashSet<>();
      for (Position position : positions) {
        if (Thread.currentThread().isInterrupted()) {
          return tally.summary(false);
        }
        retryWithFollowers(transactions, position, handler, stopped, tally);
        after = position.id();
      }
    } while (positions.size() == page);
    return tally.summary(!Thread.currentThread().isInterrupted());
  }

  private record Key(String topic, UUID hash) {}

  /** Settles one, and then what waits behind it; it waits for nothing else. */
  private void retryWithFollowers(
      Transactions transactions,
      Position position,
      MessageHandler handler,
      Set<Key> stopped,
      Tally tally)
      throws SQLException {
    UUID hash = position.keyHash();
    if (hash != null && stopped.contains(new Key(position.topic(), hash))) {
      tally.add(Status.BLOCKED);
      return;
    }
    @Nullable Position next = position;
    while (next != null && !Thread.currentThread().isInterrupted()) {
      RetryOutcome outcome = retry(transactions, next.id(), handler, false);
      tally.add(outcome.status());
      if (hash == null || outcome.status() == Status.GONE) {
        return;
      }
      if (!outcome.isSettled()) {
        stopped.add(new Key(position.topic(), hash));
        return;
      }
      next = follower(transactions, position.topic(), hash);
    }
  }

  private @Nullable Position follower(Transactions transactions, String topic, UUID hash)
      throws SQLException {
    return transactions
        .run(c -> Optional.ofNullable(table.front(c, topic, hash)))
        .filter(front -> front.state() == State.WAITING)
        .orElse(null);
  }

  /** One try, which may take several transactions if they meet conflicts. */
  private final class Attempt {
    private final long id;
    private final MessageHandler handler;
    private final boolean isForced;
    private boolean isHandlerReached;
    private @Nullable Message message;
    private long transaction;

    Attempt(long id, MessageHandler handler, boolean isForced) {
      this.id = id;
      this.handler = handler;
      this.isForced = isForced;
    }

    RetryOutcome run(Connection connection) throws SQLException {
      isHandlerReached = false;
      RetryOutcome refusal;
      try {
        refusal = prepare(connection);
      } catch (SQLException e) {
        SqlFaults.explain(e, inbox.dialect().table(connection).schemaFile());
        throw e;
      }
      if (refusal != null) {
        return refusal;
      }
      handle(connection, Objects.requireNonNull(message));
      if (!table.delete(connection, id)) {
        throw new IllegalStateException(
            "dead letter "
                + id
                + " vanished under its lock; has the handler ended the transaction?");
      }
      return RetryOutcome.of(id, Status.DONE);
    }

    /** Locks the row and reads the message, or says why it is not to be handled. */
    private @Nullable RetryOutcome prepare(Connection connection) throws SQLException {
      SqlFaults.requireTransaction(connection);
      RetryOutcome refusal = lockInTurn(connection);
      if (refusal != null) {
        return refusal;
      }
      DeadLetter letter = table.find(connection, id);
      if (letter == null) {
        return RetryOutcome.of(id, Status.GONE);
      }
      Arrival arrival = letter.arrival();
      if (!isForced && isForgotten(connection, letter, arrival)) {
        return RetryOutcome.of(id, Status.TOO_OLD);
      }
      transaction = 0;
      if (!letter.isAdmitted()) {
        Outcome outcome = inbox.admitById(connection, arrival);
        transaction = outcome.transaction();
        if (outcome.isDuplicate()) {
          table.delete(connection, id);
          return RetryOutcome.of(id, Status.DUPLICATE);
        }
        if (!isForced && (outcome.isTooOld() || isBehindAMark(letter))) {
          return RetryOutcome.of(id, Status.TOO_OLD);
        }
      }
      if (transaction == 0) {
        // Nothing was written that would have told it.
        transaction = inbox.dialect().table(connection).transaction(connection);
      }
      message = new Message(arrival, Objects.requireNonNull(letter.envelope()));
      return null;
    }

    /** Locks the row if it is its turn; else says what is to be said. */
    private @Nullable RetryOutcome lockInTurn(Connection connection) throws SQLException {
      Position position = table.position(connection, id, false);
      if (position == null) {
        return RetryOutcome.of(id, Status.GONE);
      }
      UUID hash = position.keyHash();
      if (hash == null || isForced) {
        return table.position(connection, id, true) == null
            ? RetryOutcome.of(id, Status.GONE)
            : null;
      }
      Position front = table.lockFront(connection, position.topic(), hash);
      if (front == null || front.id() > id) {
        return RetryOutcome.of(id, Status.GONE);
      }
      return front.id() < id ? new RetryOutcome(id, Status.BLOCKED, front.id(), null) : null;
    }

    /** Set aside because its mark could not tell whether it was handled; its id cannot either. */
    private boolean isBehindAMark(DeadLetter letter) {
      return inbox.mode() != InboxMode.IDS
          && letter.messageId() != null
          && Origin.of(Objects.requireNonNull(letter.envelope())).isPresent();
    }

    private boolean isForgotten(Connection connection, DeadLetter letter, Arrival arrival)
        throws SQLException {
      // A mark is never forgotten. In mode HYBRID the row does not say which of the two it was.
      if (inbox.mode() == InboxMode.WATERMARK && letter.isAdmitted()) {
        return false;
      }
      Instant bornAt = arrival.bornAt();
      return bornAt != null && bornAt.isBefore(inbox.floor(connection));
    }

    private void handle(Connection connection, Message message) {
      isHandlerReached = true;
      try {
        HandlerConnection given =
            inbox.handlerConnection(connection, transaction, HandlerConnection.Watch.NONE);
        try (given) {
          handler.handle(given.connection(), message);
          given.requireUnended();
        } catch (Exception e) {
          boolean isCommitted = given.mayHaveCommitted() && isCommitted(connection, message);
          throw isCommitted && !(e instanceof TransactionEndedException)
              ? new TransactionEndedException(e)
              : e;
        }
      } catch (Exception e) {
        throw new HandlerFailure(e);
      }
    }

    /** Whether the transaction was, or may have been where nobody can be asked. */
    private boolean isCommitted(Connection connection, Message message) {
      try {
        connection.rollback();
        return transaction == 0
            || inbox
                .dialect()
                .table(connection)
                .isCommitted(connection, message.id().key(), transaction);
      } catch (SQLException | InboxException notTold) {
        return true;
      }
    }
  }

  /** Lets conflicts of the handler be found among the causes, and the handler's exception too. */
  private static final class HandlerFailure extends RuntimeException {
    private final Exception cause;

    HandlerFailure(Exception cause) {
      super(cause);
      this.cause = cause;
    }

    Exception cause() {
      return cause;
    }
  }

  private static final class Tally {
    private final Map<Status, Long> counts = new EnumMap<>(Status.class);

    void add(Status status) {
      counts.merge(status, 1L, Long::sum);
    }

    RetrySummary summary(boolean isComplete) {
      return new RetrySummary(
          of(Status.DONE),
          of(Status.DUPLICATE),
          of(Status.FAILED),
          of(Status.BLOCKED),
          of(Status.TOO_OLD),
          isComplete);
    }

    private long of(Status status) {
      return counts.getOrDefault(status, 0L);
    }
  }
}
