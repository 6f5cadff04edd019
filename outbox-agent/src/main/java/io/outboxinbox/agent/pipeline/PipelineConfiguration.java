package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.capture.SourceConfiguration;
import io.outboxinbox.agent.publish.PublishConfiguration;
import io.outboxinbox.agent.route.RouteConfiguration;
import java.time.Duration;

/**
 * One entry of {@code pipelines}: one outbox table to one broker.
 *
 * @param name in logs, metrics, health and ce_source
 */
public record PipelineConfiguration(
    String name,
    SourceConfiguration source,
    RouteConfiguration route,
    PublishConfiguration publish,
    BatchConfiguration batch,
    LeadershipConfiguration leadership,
    RetryConfiguration retry) {

  /**
   * Block {@code batch}.
   *
   * @param maxEvents at most this many events in one broker transaction, unless a single database
   *     transaction is larger
   * @param atomicEvents a database transaction of up to this many events becomes visible at once; a
   *     larger one is split
   * @param atomicBytes the same bound in payload bytes; this much heap may be held back
   */
  public record BatchConfiguration(int maxEvents, int atomicEvents, long atomicBytes) {}

  /**
   * Block {@code leadership}.
   *
   * @param pulseInterval how often the leader writes its sign of life, which is also the canary
   *     that moves the slot of an idle outbox
   * @param takeoverAfter a leader without a sign of life for this long is replaced
   * @param stallAfter the leader starts over when its own pulse does not come back through the log
   *     for this long
   */
  public record LeadershipConfiguration(
      Duration pulseInterval, Duration takeoverAfter, Duration stallAfter) {}

  /**
   * Block {@code retry}: exponential with jitter, for ever.
   *
   * @param initial first wait
   * @param max longest wait
   */
  public record RetryConfiguration(Duration initial, Duration max) {}
}
