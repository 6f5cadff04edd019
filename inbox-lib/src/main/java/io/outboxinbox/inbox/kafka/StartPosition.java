package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.InboxOffsets.Offset;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Where reading begins when the database keeps the offsets. Poll thread only. */
final class StartPosition {
  private static final Logger log = LoggerFactory.getLogger(InboxConsumer.class);

  private static final Duration BROKER_ANSWERS_WITHIN = Duration.ofSeconds(10);

  private final Consumer<byte[], byte[]> consumer;
  private final Set<TopicPartition> begunAnew;

  /**
   * Decides for one Kafka consumer.
   *
   * @param begunAnew partitions whose offsets were seen to begin again; outlives the consumer
   */
  StartPosition(Consumer<byte[], byte[]> consumer, Set<TopicPartition> begunAnew) {
    this.consumer = consumer;
    this.begunAnew = begunAnew;
  }

  /**
   * Goes to the offset the database keeps; the broker's counts only where there is none.
   *
   * @return empty if the position is set; otherwise the offset the database has to keep first,
   *     because the one it keeps belongs to a topic that is no more. Then ask again
   */
  OptionalLong seek(PartitionWork work, Optional<Offset> kept) {
    TopicPartition partition = work.partition();
    if (kept.isEmpty()) {
      begunAnew.remove(partition);
      return OptionalLong.empty();
    }
    long offset = kept.get().next();
    Set<TopicPartition> only = Set.of(partition);
    long first = number(consumer.beginningOffsets(only, BROKER_ANSWERS_WITHIN).get(partition));
    long end = number(consumer.endOffsets(only, BROKER_ANSWERS_WITHIN).get(partition));
    boolean hasBegunAnew = begunAnew.remove(partition) && offset != first;
    if (isOfAnotherTopic(kept.get(), work) || hasBegunAnew || offset > end) {
      // A lower offset is safe, the inbox knows what it had; a higher one would lose messages.
      log.warn(
          "{}: the database keeps offset {}, but the topic has {} to {}: it was made anew or cut"
              + " off; reading it from its beginning",
          partition,
          offset,
          first,
          end);
      return OptionalLong.of(first);
    }
    if (offset < first) {
      log.error(
          "{}: the database keeps offset {}, but the topic begins at {}: the messages between were"
              + " deleted before they were handled",
          partition,
          offset,
          first);
    }
    OffsetAndMetadata broker = consumer.committed(only, BROKER_ANSWERS_WITHIN).get(partition);
    if (broker != null && broker.offset() != offset) {
      log.warn(
          "{}: going on at offset {} as the database says; the broker says {}",
          partition,
          offset,
          broker.offset());
    }
    consumer.seek(partition, Math.max(offset, first));
    return OptionalLong.empty();
  }

  private static boolean isOfAnotherTopic(Offset kept, PartitionWork work) {
    return kept.topicId() != null
        && work.topicId() != null
        && !kept.topicId().equals(work.topicId());
  }

  /**
   * Notices that the offsets of a partition begin again: the topic was deleted and made anew.
   *
   * @throws IllegalStateException they do; begin with a new Kafka consumer, so that nothing of the
   *     old topic is mixed up with the new one
   */
  void requireForward(TopicPartition partition, PartitionWork work, long offset) {
    if (offset < work.tracker().position()) {
      begunAnew.add(partition);
      throw new IllegalStateException(
          "offsets of "
              + partition
              + " begin again at "
              + offset
              + " after "
              + work.tracker().position()
              + ": the topic was made anew or cut off; beginning anew too");
    }
  }

  private static long number(@Nullable Long offset) {
    return offset == null ? 0 : offset;
  }
}
