package io.outboxinbox.inbox;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.outboxinbox.inbox.InboxTable.Mark;
import io.outboxinbox.inbox.InboxTable.MarkKey;
import java.util.UUID;

/**
 * Messages whose transaction is known to have committed, so that repeats need not ask the database.
 * Nothing must get here earlier: its transaction could still roll back.
 */
final class CommittedMessages {
  /** One for each partition of each source: more than that would be thousands of topics. */
  private static final long MARKS_MAX = 100_000;

  private final Cache<UUID, Boolean> keys;
  private final Cache<MarkKey, Mark> marks = Caffeine.newBuilder().maximumSize(MARKS_MAX).build();

  CommittedMessages(long idsMax) {
    this.keys = Caffeine.newBuilder().maximumSize(idsMax).build();
  }

  boolean contains(UUID key) {
    return keys.getIfPresent(key) != null;
  }

  void add(UUID key) {
    keys.put(key, Boolean.TRUE);
  }

  /** Whether the mark is known to stand at this message or behind it. */
  boolean contains(Origin origin) {
    Mark mark = marks.getIfPresent(MarkKey.of(origin));
    return mark != null && !mark.isBefore(Mark.of(origin));
  }

  void add(Origin origin) {
    marks.asMap().merge(MarkKey.of(origin), Mark.of(origin), (a, b) -> a.isBefore(b) ? b : a);
  }
}
