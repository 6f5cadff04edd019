package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.InboxException;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/**
 * How often and how soon a message is tried again whose handler has failed.
 *
 * @param attemptsMax how often the handler is called for one message by itself, 1 or more; an
 *     outage of the database does not count, nor does what it lacks or a conflict with another
 *     transaction until that has happened more than twenty times without a success
 * @param initial pause after the first failure, doubled with each further one
 * @param max longest pause
 * @param jitter share of each pause that is left to chance, 0 to 1, so that consumers which failed
 *     together do not come back together
 */
public record RetryPolicy(int attemptsMax, Duration initial, Duration max, double jitter) {
  private static final int DOUBLINGS_MAX = 30;

  public RetryPolicy {
    if (attemptsMax < 1) {
      throw new InboxException.Misconfigured(
          "retry attemptsMax is " + attemptsMax, "use 1 for no second attempt, or more");
    }
    if (initial.isNegative() || initial.compareTo(max) > 0) {
      throw new InboxException.Misconfigured(
          "retry pauses are " + initial + " at first and " + max + " at most",
          "use an initial pause that is not negative and not longer than the longest");
    }
    if (!(jitter >= 0 && jitter <= 1)) {
      throw new InboxException.Misconfigured(
          "retry jitter is " + jitter, "use a share of 0 to 1, such as 0.5");
    }
  }

  /**
   * Ten attempts within about a minute: longer than a neighbour takes that starts anew. Meanwhile
   * the message holds up those behind it in its lane, a part of its partition.
   */
  public static RetryPolicy defaults() {
    return new RetryPolicy(10, Duration.ofMillis(250), Duration.ofSeconds(30), 0.5);
  }

  public RetryPolicy withAttemptsMax(int number) {
    return new RetryPolicy(number, initial, max, jitter);
  }

  /** How long to wait after so many failures, 1 or more. */
  Duration pauseAfter(int failures) {
    return pauseAfter(failures, ThreadLocalRandom.current().nextDouble());
  }

  Duration pauseAfter(int failures, double chance) {
    int doublings = Math.min(Math.max(failures - 1, 0), DOUBLINGS_MAX);
    // Compared before it is multiplied: 2^30 times an hour does not fit into nanoseconds.
    double wanted =
        Math.min(Math.scalb((double) initial.toNanos(), doublings), (double) max.toNanos());
    return Duration.ofNanos((long) (wanted * (1 - jitter * chance)));
  }
}
