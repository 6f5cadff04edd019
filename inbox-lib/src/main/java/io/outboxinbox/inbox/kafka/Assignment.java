package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.InboxOffsets.Offset;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The partitions one Kafka consumer owns, as they come and go. Poll thread only: Kafka calls the
 * listener's methods inside {@code poll} and {@code close}.
 */
final class Assignment implements ConsumerRebalanceListener {
  private static final Logger log = LoggerFactory.getLogger(InboxConsumer.class);

  private final Consumer<byte[], byte[]> consumer;
  private final LaneContext context;
  private final HeldKeys heldKeys;
  private final Duration revokeWithin;
  private final StartPosition startPosition;
  private final OffsetCommits commits;
  private final RetentionCheck retentionCheck;
  private final Map<TopicPartition, PartitionWork> works = new HashMap<>();
  private final Queue<Preparation> prepared = new ConcurrentLinkedQueue<>();

  Assignment(
      Consumer<byte[], byte[]> consumer,
      LaneContext context,
      HeldKeys heldKeys,
      Set<TopicPartition> begunAnew,
      RetentionCheck retentionCheck) {
    this.consumer = consumer;
    this.context = context;
    this.heldKeys = heldKeys;
    this.retentionCheck = retentionCheck;
    this.revokeWithin = KafkaProperties.revokeWithin(context.settings().kafka());
    this.startPosition = new StartPosition(consumer, begunAnew);
    this.commits = new OffsetCommits(consumer, context.settings());
  }

  @Override
  public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
    for (TopicPartition partition : partitions) {
      PartitionWork work = new PartitionWork(partition, context.settings(), context);
      works.put(partition, work);
      if (context.settings().mustPrepare()) {
        pause(work);
        prepare(work, OptionalLong.empty());
      }
    }
    retentionCheck.look(partitions.stream().map(TopicPartition::topic).toList());
    context.settings().listener().rebalanced(partitions.size(), 0, 0);
  }

  private void prepare(PartitionWork work, OptionalLong replacement) {
    work.setPreparing(true);
    context
        .workers()
        .runAfter(Duration.ZERO, new Preparation(work, replacement, context, prepared::add));
  }

  @Override
  public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
    if (!partitions.isEmpty()) {
      release(partitions, revokeWithin);
      context.settings().listener().rebalanced(0, partitions.size(), 0);
    }
  }

  /** Others have them already: whatever still runs here, the inbox makes harmless. */
  @Override
  public void onPartitionsLost(Collection<TopicPartition> partitions) {
    log.warn(
        "consumer {}: lost {} without a handover; what is not committed will come again, elsewhere",
        context.settings().inbox().consumer(),
        partitions);
    partitions.forEach(this::close);
    forgetTopics(partitions);
    context.settings().listener().rebalanced(0, 0, partitions.size());
  }

  /** Gives everything back: waits for running transactions, then commits offsets. */
  void releaseAll(Duration within) {
    release(List.copyOf(works.keySet()), within);
  }

  private void release(Collection<TopicPartition> partitions, Duration within) {
    long deadline = System.nanoTime() + within.toNanos();
    List<PartitionWork> leaving =
        partitions.stream().map(works::get).filter(work -> work != null).toList();
    leaving.forEach(PartitionWork::close);
    for (PartitionWork work : leaving) {
      if (!work.awaitIdle(deadline)) {
        log.warn(
            "consumer {}: a transaction of {} still runs after {} ms; the next owner waits for it"
                + " at its first message",
            context.settings().inbox().consumer(),
            work.partition(),
            within.toMillis());
      }
    }
    commits.commitNow(leaving);
    partitions.forEach(this::close);
    forgetTopics(partitions);
  }

  private void close(TopicPartition partition) {
    PartitionWork work = works.remove(partition);
    if (work != null) {
      work.close();
      work.lanes().forEach(context.troubles()::clear);
      context.troubles().clear(work);
      context.settings().listener().released(partition.topic(), partition.partition());
    }
  }

  private void forgetTopics(Collection<TopicPartition> partitions) {
    for (TopicPartition gone : partitions) {
      if (works.keySet().stream().noneMatch(own -> own.topic().equals(gone.topic()))) {
        heldKeys.forget(gone.topic());
      }
    }
  }

  /** Lets those partitions flow whose preparation is done. */
  void beginPrepared() {
    Preparation preparation = prepared.poll();
    while (preparation != null) {
      PartitionWork work = preparation.work();
      if (works.get(work.partition()) == work) {
        begin(work, preparation.offset());
      }
      preparation = prepared.poll();
    }
  }

  private void begin(PartitionWork work, Optional<Offset> kept) {
    if (context.settings().offsetsInDatabase()) {
      OptionalLong replacement = startPosition.seek(work, kept);
      if (replacement.isPresent()) {
        prepare(work, replacement);
        return;
      }
    }
    work.setPreparing(false);
    resume(work);
  }

  /** Hands on what a poll has brought, and pauses the partitions that have enough. */
  void accept(ConsumerRecords<byte[], byte[]> records) {
    for (TopicPartition partition : records.partitions()) {
      PartitionWork work = works.get(partition);
      if (work == null) {
        // Would lose messages if it were passed over; Kafka does not do this.
        throw new IllegalStateException("got messages of " + partition + ", which is not ours");
      }
      List<ConsumerRecord<byte[], byte[]>> received = records.records(partition);
      long afterLast = received.get(received.size() - 1).offset() + 1;
      startPosition.requireForward(partition, work, received.get(0).offset());
      work.accept(received, Math.max(afterLast, position(partition)));
      if (work.isFull()) {
        pause(work);
      }
    }
  }

  /**
   * Where the next poll goes on: behind the marks of transactions too, which are no messages. Asks
   * nobody; less than that if it is being looked up. (Clients before 4.0 do not tell it with the
   * messages.)
   */
  private long position(TopicPartition partition) {
    try {
      return consumer.position(partition, Duration.ZERO);
    } catch (TimeoutException unknown) {
      return -1;
    }
  }

  /** Fetches on where the workers have made room. */
  void resumeDrained() {
    for (PartitionWork work : works.values()) {
      if (work.isPaused() && !work.isPreparing() && work.isDrained()) {
        resume(work);
      }
    }
  }

  boolean isAnyPaused() {
    return works.values().stream().anyMatch(PartitionWork::isPaused);
  }

  void commit() {
    commits.commitSoon(works.values());
    if (context.settings().offsetsInDatabase()) {
      works.values().stream()
          .filter(PartitionWork::isKeptOffsetBehind)
          .forEach(work -> context.workers().runAfter(Duration.ZERO, () -> keepOffset(work)));
    }
  }

  /** On a worker. If it fails, the next round tries again; a lower offset does no harm. */
  private void keepOffset(PartitionWork work) {
    if (!work.begin()) {
      return;
    }
    try {
      context.transaction().keepOffset(work);
    } catch (StepFailure e) {
      log.debug("offset of {} not kept yet: {}", work.partition(), e.reason());
    } finally {
      work.end();
    }
  }

  void tellLag() {
    for (PartitionWork work : works.values()) {
      consumer
          .currentLag(work.partition())
          .ifPresent(
              behind ->
                  context
                      .settings()
                      .listener()
                      .lag(work.topic(), work.number(), behind + work.tracker().openCount()));
    }
  }

  private void pause(PartitionWork work) {
    if (!work.isPaused()) {
      consumer.pause(Set.of(work.partition()));
      work.setPaused(true);
    }
  }

  private void resume(PartitionWork work) {
    if (work.isPaused()) {
      consumer.resume(Set.of(work.partition()));
      work.setPaused(false);
    }
  }
}
