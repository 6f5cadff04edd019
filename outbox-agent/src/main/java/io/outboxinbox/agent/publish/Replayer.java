package io.outboxinbox.agent.publish;

import io.outboxinbox.agent.event.RoutedEvent;
import java.util.List;

/**
 * Sends events once more, beside the source's publisher: it shuts nobody out, knows no position,
 * and promises only that what it confirms has arrived at least once. Used by one thread.
 */
public interface Replayer extends AutoCloseable {

  /**
   * Looks at an event before it is sent, as {@link Publisher#check} does.
   *
   * @throws io.outboxinbox.agent.event.AgentException.RejectedEvent too large, or its topic does
   *     not exist
   * @throws io.outboxinbox.agent.event.AgentException.Retryable the broker is away
   */
  void check(RoutedEvent event);

  /**
   * Sends checked events, in order per key, and waits until the broker has each or refuses it.
   *
   * @return why the broker refused some, one text each; all others have arrived
   * @throws io.outboxinbox.agent.event.AgentException.Retryable any part may have arrived: send
   *     these again, later
   */
  List<String> send(List<RoutedEvent> events);

  /** Closes without waiting for unfinished sends. May be called twice. */
  @Override
  void close();
}
