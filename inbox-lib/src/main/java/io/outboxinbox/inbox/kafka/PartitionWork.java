package io.outboxinbox.inbox.kafka;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;

/**
 * The messages of one partition between the poll and their commit, for as long as this consumer
 * owns it. Lanes take work from it on any thread; the rest belongs to the poll thread.
 */
final class PartitionWork {
  /** A guess: room for what one fetch brings of large messages. */
  private static final long BYTES_MAX = 16L << 20;

  private final TopicPartition partition;
  private final int bufferMax;
  private final List<Lane> lanes;
  private final OffsetTracker tracker = new OffsetTracker();

  private final Object lock = new Object();
  private boolean isOpen = true;
  private boolean isStopped;
  private int running;
  private int bufferedMessages;
  private long bufferedBytes;
  private long kept = -1;

  private volatile @Nullable UUID topicId;

  // Of the poll thread.
  private boolean isPreparing;
  private boolean isPaused;
  private long committed = -1;

  PartitionWork(TopicPartition partition, Settings settings, LaneContext context) {
    this.partition = partition;
    this.bufferMax = settings.bufferMax();
    List<Lane> made = new ArrayList<>();
    for (int i = 0; i < settings.lanesPerPartition(); i++) {
      made.add(new Lane(this, context));
    }
    this.lanes = List.copyOf(made);
  }

  String topic() {
    return partition.topic();
  }

  int number() {
    return partition.partition();
  }

  TopicPartition partition() {
    return partition;
  }

  /** Kafka's id of the topic when the partition was taken over; null if unknown. */
  @Nullable UUID topicId() {
    return topicId;
  }

  void setTopicId(@Nullable UUID id) {
    this.topicId = id;
  }

  OffsetTracker tracker() {
    return tracker;
  }

  /** Hands messages to their lanes; position is where the next poll goes on. */
  void accept(List<ConsumerRecord<byte[], byte[]>> received, long position) {
    List<Delivery> deliveries = received.stream().map(Delivery::of).toList();
    // Before any lane can be done with one of them.
    tracker.add(deliveries, position);
    synchronized (lock) {
      bufferedMessages += deliveries.size();
      bufferedBytes += deliveries.stream().mapToLong(Delivery::bytes).sum();
    }
    Map<Lane, List<Delivery>> byLane = new HashMap<>();
    for (Delivery delivery : deliveries) {
      byLane
          .computeIfAbsent(laneOf(delivery.envelope().key()), lane -> new ArrayList<>())
          .add(delivery);
    }
    byLane.forEach(Lane::add);
  }

  /** Messages of one key share a lane, and so do those without a key. */
  private Lane laneOf(byte @Nullable [] key) {
    // Kafka has chosen the partition by a hash of the same bytes; ours must not follow it, or some
    // lanes would stay empty.
    int hash = Arrays.hashCode(key) * 0x9E3779B9;
    return lanes.get(Math.floorMod(hash >>> 8, lanes.size()));
  }

  /** Whether a transaction may begin; then {@link #end} must follow. */
  boolean begin() {
    synchronized (lock) {
      if (isOpen && !isStopped) {
        running++;
        return true;
      }
      return false;
    }
  }

  /** A transaction has ended; returns whether the partition is still ours. */
  boolean end() {
    synchronized (lock) {
      running--;
      lock.notifyAll();
      return isOpen;
    }
  }

  /** The offset that the database keeps has moved on. */
  void kept(long offset) {
    synchronized (lock) {
      kept = Math.max(kept, offset);
    }
  }

  /**
   * Whether the database keeps less than is done, and no transaction will soon mend that. Of two
   * that commit side by side, neither knows of the other and keeps the offset behind both.
   */
  boolean isKeptOffsetBehind() {
    synchronized (lock) {
      return isOpen && bufferedMessages == 0 && tracker.next().orElse(-1) > kept;
    }
  }

  /** Whether this consumer still owns the partition, as far as it knows. */
  boolean isOpen() {
    synchronized (lock) {
      return isOpen;
    }
  }

  /** Whether the transaction that runs may be followed by another. */
  boolean goesOn() {
    synchronized (lock) {
      return isOpen && !isStopped;
    }
  }

  /** Messages are done: the buffer has room again, the offset may move on. */
  void done(List<Delivery> deliveries) {
    tracker.done(deliveries);
    synchronized (lock) {
      bufferedMessages -= deliveries.size();
      bufferedBytes -= deliveries.stream().mapToLong(Delivery::bytes).sum();
    }
  }

  /** Lets no transaction begin until this consumer gets the partition anew. */
  void stop() {
    synchronized (lock) {
      isStopped = true;
    }
  }

  /** The partition is not ours any more: lets no transaction begin. */
  void close() {
    synchronized (lock) {
      isOpen = false;
    }
  }

  /**
   * Waits for the transactions that run.
   *
   * @param deadline as {@link System#nanoTime} counts
   * @return whether none runs any more
   */
  boolean awaitIdle(long deadline) {
    synchronized (lock) {
      while (running > 0) {
        long millis = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
        if (millis <= 0) {
          return false;
        }
        try {
          lock.wait(millis);
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          return false;
        }
      }
      return true;
    }
  }

  List<Lane> lanes() {
    return lanes;
  }

  boolean isFull() {
    synchronized (lock) {
      return bufferedMessages >= bufferMax || bufferedBytes >= BYTES_MAX;
    }
  }

  /** Half is left for the workers while the next messages are fetched. */
  boolean isDrained() {
    synchronized (lock) {
      return bufferedMessages <= bufferMax / 2 && bufferedBytes <= BYTES_MAX / 2;
    }
  }

  boolean isPreparing() {
    return isPreparing;
  }

  void setPreparing(boolean preparing) {
    this.isPreparing = preparing;
  }

  boolean isPaused() {
    return isPaused;
  }

  void setPaused(boolean paused) {
    this.isPaused = paused;
  }

  /** The offset the broker was last told; -1 if none. */
  long committed() {
    return committed;
  }

  void setCommitted(long offset) {
    this.committed = offset;
  }
}
