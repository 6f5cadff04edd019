package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.TransactionEndedException;
import java.util.List;

/**
 * A transaction that may have ended under its handler, by a commit or by a rollback.
 *
 * @param batch all its messages, of which the handler was given some
 */
record Ended(List<Delivery> batch, StepFailure failure) {
  Ended {
    batch = List.copyOf(batch);
  }

  String place() {
    return failure.doubtful().deliveries().get(0).envelope().place();
  }

  /** Why nobody knows yet how one has ended, or nobody but this process. */
  static String unsettled(StepFailure failure) {
    String problem =
        failure.isBehindHandler()
            ? "cannot write a dead letter"
            : "cannot find out how its transaction has ended";
    return problem
        + ", and only this process knows that it has to, so do not restart it but mend the"
        + " database; it tries again by itself: "
        + failure.reason();
  }

  /** Why its messages become dead letters, if it was committed. */
  GivenUp why(int attempts) {
    Throwable cause =
        TransactionEndedException.committed(failure.doubtful().size(), place(), failure.failure());
    return new GivenUp(cause, attempts);
  }
}
