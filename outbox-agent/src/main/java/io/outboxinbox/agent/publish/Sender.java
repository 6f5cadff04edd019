package io.outboxinbox.agent.publish;

import io.outboxinbox.agent.event.Receipt;
import io.outboxinbox.agent.event.RoutedEvent;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * Sends to a broker that cannot take events and checkpoint together. Used by one thread; after any
 * exception it is closed.
 */
public interface Sender extends AutoCloseable {

  /** As {@link Publisher#check}. */
  void check(RoutedEvent event);

  /**
   * Sends checked events, in order per key, and waits until the broker has each.
   *
   * @param batch in capture order, not empty
   * @return a receipt for each event the broker has confirmed, in any order
   * @throws io.outboxinbox.agent.event.AgentException.Retryable any part may have arrived
   * @throws io.outboxinbox.agent.event.AgentException.RejectedEvent the broker will never take one
   *     of them; any others may have arrived, but none behind it of its key
   */
  List<Receipt> send(List<RoutedEvent> batch);

  /** As {@link Publisher#patience}. */
  Duration patience();

  /** As {@link Publisher#cluster}. */
  Optional<String> cluster();

  /** As {@link Publisher#search}. */
  Optional<PublishedSearch> search(Publisher.SearchScope scope);

  /** Closes without waiting for unfinished sends. May be called twice. */
  @Override
  void close();
}
