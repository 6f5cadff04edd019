package io.outboxinbox.inbox;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.outboxinbox.inbox.InboxTable.Mark;
import io.outboxinbox.inbox.InboxTable.MarkKey;
import java.util.Queue;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Messages whose transaction is known to have committed, so that repeats need not ask the database.
 * Nothing must get here earlier: its transaction could still roll back.
 */
final class CommittedMessages {
  /** One for each partition of each source: more than that would be thousands of topics. */
  private static final long MARKS_MAX = 100_000;

  /**
   * First in, first out: what is repeated is what came last. Caffeine would not do, because it lets
   * nobody in who has not been asked for more often than who is there, and a message that came once
   * never has.
   */
  private final Set<UUID> keys = ConcurrentHashMap.newKeySet();

  private final Queue<UUID> keysInOrder = new ConcurrentLinkedQueue<>();
  private final AtomicLong keyCount = new AtomicLong();
  private final long idsMax;
  private final Cache<MarkKey, Mark> marks = Caffeine.newBuilder().maximumSize(MARKS_MAX).build();

  CommittedMessages(long idsMax) {
    this.idsMax = idsMax;
  }

  boolean contains(UUID key) {
    return keys.contains(key);
  }

  void add(UUID key) {
    if (idsMax == 0 || !keys.add(key)) {
      return;
    }
    keysInOrder.add(key);
    // Each that is one too many takes one out, so threads need not wait for each other.
    if (keyCount.incrementAndGet() > idsMax) {
      UUID oldest = keysInOrder.remove();
      keys.remove(oldest);
      keyCount.decrementAndGet();
    }
  }

  /** Whether the mark is known to have passed this message, within its epoch. */
  boolean contains(Origin origin) {
    Mark mark = marks.getIfPresent(MarkKey.of(origin));
    return mark != null && mark.epoch() == origin.epoch() && mark.sequence() >= origin.sequence();
  }

  void add(Origin origin) {
    marks.asMap().merge(MarkKey.of(origin), Mark.of(origin), (a, b) -> a.isBefore(b) ? b : a);
  }
}
