package io.outboxinbox.agent.watch;

import io.outboxinbox.agent.source.slot.WalRoom;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;

/** Makes a budget of looks at the slot: growth and ages need more than one. Used by one thread. */
final class WalMeter {
  /** Long enough to even out bursts and checkpoints, short enough to see a trend turn. */
  private static final Duration WINDOW = Duration.ofMinutes(5);

  private static final double NANOS_PER_SECOND = 1e9;

  private final long configuredBytes;
  private final Deque<Sample> samples = new ArrayDeque<>();
  private long oldestXid = -1;
  private long oldestXidNanos;

  private record Sample(long nanos, long retainedBytes) {}

  /**
   * Makes a meter without samples.
   *
   * @param configuredBytes budget beside the server's own; 0 for none
   */
  WalMeter(long configuredBytes) {
    this.configuredBytes = configuredBytes;
  }

  /** Takes a look; {@code nowNanos} as of {@link System#nanoTime}. */
  WalBudget add(long nowNanos, WalRoom room) {
    samples.addLast(new Sample(nowNanos, room.retainedBytes()));
    while (nowNanos - samples.getFirst().nanos() > WINDOW.toNanos()) {
      samples.removeFirst();
    }
    double growth = growth();
    long budget = budgetOf(room);
    double used =
        room.isLost() ? 1 : budget < 0 ? -1 : (double) room.retainedBytes() / Math.max(1, budget);
    double left =
        budget < 0 || growth <= 0 ? -1 : Math.max(0, budget - room.retainedBytes()) / growth;
    return new WalBudget(budget, used, growth, left, oldestSeconds(nowNanos, room));
  }

  /** Forgets what was seen before a gap: the time in between would look like slow growth. */
  void reset() {
    samples.clear();
    oldestXid = -1;
  }

  private long budgetOf(WalRoom room) {
    long server =
        room.safeBytes() == WalRoom.NO_LIMIT ? -1 : room.retainedBytes() + room.safeBytes();
    if (configuredBytes == 0) {
      return server;
    }
    return server < 0 ? configuredBytes : Math.min(server, configuredBytes);
  }

  private double growth() {
    Sample first = samples.getFirst();
    Sample last = samples.getLast();
    double seconds = (last.nanos() - first.nanos()) / NANOS_PER_SECOND;
    return seconds <= 0 ? 0 : Math.max(0, (last.retainedBytes() - first.retainedBytes()) / seconds);
  }

  /** Times of other roles' transactions are not shown to the agent, so it takes its own. */
  private double oldestSeconds(long nowNanos, WalRoom room) {
    if (!room.isTransactionRunning()) {
      oldestXid = -1;
      return 0;
    }
    if (room.oldestXid() != oldestXid) {
      oldestXid = room.oldestXid();
      oldestXidNanos = nowNanos;
    }
    return (nowNanos - oldestXidNanos) / NANOS_PER_SECOND;
  }
}
