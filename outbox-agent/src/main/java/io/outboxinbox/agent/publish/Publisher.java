package io.outboxinbox.agent.publish;

import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.HeaderNames;
import io.outboxinbox.agent.event.Positions;
import io.outboxinbox.agent.event.Receipt;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SourceIdentity;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Sends events of one source to one broker. Used by the pipeline's thread alone; after any
 * exception the pipeline closes it and makes a new one.
 */
public interface Publisher extends Positions, AutoCloseable {

  /**
   * Whether a crash can repeat events that are already published, because events and checkpoint do
   * not become durable together. They then have the ids and numbers they had.
   */
  boolean mayRepeat();

  /**
   * Goes through what a {@link #takeOver} needs without shutting anybody out and without changing
   * anything, so that the real one finds code and connections warm. Failures are of no consequence.
   */
  default void rehearse(SourceIdentity source) {}

  /**
   * Looks at an event before it is sent, because one event the broker refuses can spoil all that
   * travel with it.
   *
   * @throws io.outboxinbox.agent.event.AgentException.RejectedEvent too large, or its topic does
   *     not exist
   * @throws io.outboxinbox.agent.event.AgentException.Retryable the broker is away
   */
  void check(RoutedEvent event);

  /**
   * Makes the batch durable, in order per key, and waits for it.
   *
   * @param batch checked, in capture order; empty when only the position moves on
   * @param after covers exactly the batch and all before it
   * @return a receipt for every event
   * @throws io.outboxinbox.agent.event.AgentException.Retryable any part may have arrived: close,
   *     make a new publisher, take over, go on from its checkpoint
   * @throws io.outboxinbox.agent.event.AgentException.RejectedEvent the broker will never take an
   *     event of this batch; none of it is published, or where that {@link #mayRepeat}, none behind
   *     it of its key
   */
  List<Receipt> publishBatch(List<RoutedEvent> batch, Checkpoint after);

  @Override
  default void write(Checkpoint checkpoint) {
    publishBatch(List.of(), checkpoint);
  }

  /** How long a batch may take before publisher or broker give it up. */
  default Duration patience() {
    return Duration.ofDays(1);
  }

  /** Identifies the broker's cluster; empty where it has no name. */
  default Optional<String> cluster() {
    return Optional.empty();
  }

  /**
   * Opens a search for messages published up to now. After {@link #takeOver} nothing of ours can be
   * added behind it.
   *
   * @return empty where a broker cannot be read; the caller closes it
   * @throws io.outboxinbox.agent.event.AgentException.Retryable the broker is away
   */
  default Optional<PublishedSearch> search(SearchScope scope) {
    return Optional.empty();
  }

  /**
   * What to look at.
   *
   * @param topics which existing topics
   * @param since messages published earlier are left out; null for all there are
   * @param styles how messages may tell what they are; the first whose id they have counts, and
   *     those that have none are nobody's events
   * @param leftOut messages with such a header are copies, not the first publication
   */
  record SearchScope(
      Predicate<String> topics,
      @Nullable Instant since,
      List<HeaderNames> styles,
      String leftOut) {}

  /**
   * For how long consumers have been held up by something the publisher itself cannot notice, such
   * as a transaction that hangs in the broker; zero when they are not or it is not known.
   */
  default Duration hidden() {
    return Duration.ZERO;
  }

  /** Closes without waiting for unfinished sends. May be called twice. */
  @Override
  void close();
}
