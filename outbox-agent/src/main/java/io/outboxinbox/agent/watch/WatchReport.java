package io.outboxinbox.agent.watch;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/** Shows what was found in the background. Called by the threads that look. */
public interface WatchReport {

  /**
   * How much log the slot holds back.
   *
   * @param retainedBytes -1 when that is not known
   */
  void wal(long retainedBytes, WalBudget budget);

  /** Partitions could not be made ahead of time; empty when they could. */
  void madeAhead(String failure);

  /**
   * Old partitions were looked at.
   *
   * @param oldestKept beginning of the oldest that is left; null when there is none
   * @param why it had to stay; empty when it is not old
   */
  void cleaned(int dropped, @Nullable Instant oldestKept, String why);

  /** Partitions could not be dropped at all; those that had to stay are no failure. */
  void notDropped(String failure);
}
