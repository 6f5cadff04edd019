package io.outboxinbox.quickstart.proof;

import java.time.Duration;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Follows every event from its commit to the topic and to the consumer. An event that has arrived
 * everywhere leaves three bits behind, so a demonstration may run for days. Any thread may use it.
 *
 * <p>All times are {@link System#nanoTime()} of this JVM: who writes orders and who watches topic
 * and inventory live in one, and no two clocks have to agree.
 */
public final class Ledger {
  /**
   * The agent publishes in commit order. Once an event is here that was committed this much later,
   * an event that is not will never come.
   */
  private static final long PASSED_OVER_NANOS = Duration.ofSeconds(10).toNanos();

  private static final class Open {
    @Nullable UUID committedId;
    @Nullable UUID publishedId;
    long committedAt;
    boolean committed;
    @Nullable Long receivedAt;
    @Nullable Long appliedAt;
  }

  private final Map<Integer, Open> open = new HashMap<>();
  private final BitSet published = new BitSet();
  private final BitSet applied = new BitSet();
  private final Latency latency;
  private long committedCount;
  private long rolledBackCount;
  private long publishedCount;
  private long consumedCount;
  private long publishedTwice;
  private long appliedTwice;
  private long redelivered;
  private long outOfOrder;
  private long wrongId;
  private long newestCommitHere = Long.MIN_VALUE;

  public Ledger(Latency latency) {
    this.latency = latency;
  }

  /**
   * The order service's transaction is committed. The event may have arrived before this is known:
   * the committing thread is not always the first to run.
   */
  public synchronized void committed(EventKey key, UUID eventId, long now) {
    committedCount++;
    Open event = open.computeIfAbsent(key.index(), index -> new Open());
    event.committedId = eventId;
    event.committedAt = now;
    event.committed = true;
    if (event.receivedAt != null) {
      latency.received(now, event.receivedAt);
    }
    settle(key, event);
  }

  /** The order service gave up a transaction that had already written its event. */
  public synchronized void rolledBack() {
    rolledBackCount++;
  }

  /** The event is visible in the topic, and a consumer has it. */
  public synchronized void published(EventKey key, UUID eventId, long now) {
    if (published.get(key.index())) {
      publishedTwice++;
      return;
    }
    published.set(key.index());
    publishedCount++;
    if (key.version() > 1 && !published.get(key.index() - 1)) {
      outOfOrder++;
    }
    Open event = open.computeIfAbsent(key.index(), index -> new Open());
    event.publishedId = eventId;
    event.receivedAt = now;
    if (event.committed) {
      newestCommitHere = Math.max(newestCommitHere, event.committedAt);
      latency.received(event.committedAt, now);
    }
    settle(key, event);
  }

  /** Messages are delivered to the inventory again, on purpose. */
  public synchronized void redelivered(long messages) {
    redelivered += messages;
  }

  /** The effect of the event is committed in the inventory's database. */
  public synchronized void applied(EventKey key, long now) {
    if (applied.get(key.index())) {
      appliedTwice++;
      return;
    }
    if (key.version() > 1 && !applied.get(key.index() - 1)) {
      outOfOrder++;
    }
    applied.set(key.index());
    consumedCount++;
    Open event = open.computeIfAbsent(key.index(), index -> new Open());
    event.appliedAt = now;
    settle(key, event);
  }

  /** Different events seen in the topic so far. */
  public synchronized long publishedCount() {
    return publishedCount;
  }

  /** Different events whose effect is committed so far. */
  public synchronized long consumedCount() {
    return consumedCount;
  }

  /** Starts a new interval of the latency. */
  public synchronized void startInterval() {
    latency.startInterval();
  }

  /** Where things stand. */
  public synchronized Tally tally() {
    return new Tally(
        committedCount,
        rolledBackCount,
        publishedCount,
        consumedCount,
        publishedTwice + appliedTwice,
        redelivered,
        passedOver(),
        neverCommitted(),
        outOfOrder,
        wrongId,
        latency.report());
  }

  private void settle(EventKey key, Open event) {
    Long appliedAt = event.appliedAt;
    if (!event.committed || event.publishedId == null || appliedAt == null) {
      return;
    }
    if (!event.publishedId.equals(event.committedId)) {
      wrongId++;
    }
    latency.applied(event.committedAt, appliedAt);
    open.remove(key.index());
  }

  private long passedOver() {
    if (newestCommitHere == Long.MIN_VALUE) {
      return 0;
    }
    long late = newestCommitHere - PASSED_OVER_NANOS;
    return open.values().stream()
        .filter(event -> event.committed && event.receivedAt == null && event.committedAt < late)
        .count();
  }

  private long neverCommitted() {
    return open.values().stream().filter(event -> !event.committed).count();
  }
}
