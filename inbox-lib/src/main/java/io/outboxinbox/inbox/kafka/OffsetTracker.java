package io.outboxinbox.inbox.kafka;

import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;

/**
 * The lowest offset of a partition that is not done yet. Messages come in their order and are done
 * in any. Any thread.
 */
final class OffsetTracker {
  private final Deque<Delivery> open = new ArrayDeque<>();
  private long next = -1;

  /**
   * Takes up what a poll has brought.
   *
   * @param position where the next poll goes on; behind the last message there may be markers of
   *     transactions, which nobody delivers
   */
  synchronized void add(List<Delivery> deliveries, long position) {
    open.addAll(deliveries);
    next = position;
  }

  synchronized void done(Collection<Delivery> deliveries) {
    for (Delivery delivery : deliveries) {
      delivery.isDone = true;
    }
    while (!open.isEmpty() && open.peek().isDone) {
      open.remove();
    }
  }

  /** Where a successor would have to begin; empty if nothing has come yet. */
  synchronized OptionalLong next() {
    if (next < 0) {
      return OptionalLong.empty();
    }
    Delivery first = open.peek();
    return OptionalLong.of(first == null ? next : first.offset());
  }

  /** As {@link #next} would be if these were done as well. */
  synchronized long nextWith(Collection<Delivery> deliveries) {
    Set<Delivery> assumed = new HashSet<>(deliveries);
    for (Delivery delivery : open) {
      if (!delivery.isDone && !assumed.contains(delivery)) {
        return delivery.offset();
      }
    }
    return next;
  }

  /** Where the next poll goes on; -1 before the first. */
  synchronized long position() {
    return next;
  }

  /** How many messages have come and are not done. */
  synchronized int openCount() {
    return (int) open.stream().filter(delivery -> !delivery.isDone).count();
  }
}
