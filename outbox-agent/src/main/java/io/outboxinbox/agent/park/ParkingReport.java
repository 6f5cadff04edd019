package io.outboxinbox.agent.park;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/** Shows how many events are parked. */
public interface ParkingReport {

  /** So many more are. */
  void parked(int events);

  /**
   * How things stand.
   *
   * @param events that wait
   * @param keys they hold
   * @param oldestAt when the one that has waited longest was parked; null when none waits
   */
  void waiting(long events, int keys, @Nullable Instant oldestAt);
}
