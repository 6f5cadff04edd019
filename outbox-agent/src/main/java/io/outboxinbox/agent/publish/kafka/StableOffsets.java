package io.outboxinbox.agent.publish.kafka;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Notices partitions whose read_committed consumers are held up: records lie behind a last stable
 * offset that does not move. The producer cannot see it, because for it the transaction is over
 * (docs/decisions/0008). Used by one thread.
 */
final class StableOffsets<P> {
  private record Standstill(long offset, long sinceNanos) {}

  private Map<P, Standstill> standing = new HashMap<>();

  /**
   * Takes a look.
   *
   * @param stable last stable offsets, asked for before the ends: the other way round, a
   *     transaction that commits in between would look like one that hangs
   * @param ends offsets behind the last record, of the same partitions
   * @return for how long the worst of them has stood still; zero when none does
   */
  Duration look(long nowNanos, Map<P, Long> stable, Map<P, Long> ends) {
    Map<P, Standstill> now = new HashMap<>();
    long longest = 0;
    for (P partition : List.copyOf(stable.keySet())) {
      long offset = stable.getOrDefault(partition, 0L);
      if (offset >= ends.getOrDefault(partition, 0L)) {
        continue;
      }
      Standstill before = standing.get(partition);
      Standstill still =
          before != null && before.offset() == offset ? before : new Standstill(offset, nowNanos);
      now.put(partition, still);
      longest = Math.max(longest, nowNanos - still.sinceNanos());
    }
    standing = now;
    return Duration.ofNanos(longest);
  }
}
