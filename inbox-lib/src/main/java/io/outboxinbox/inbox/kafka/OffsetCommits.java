package io.outboxinbox.inbox.kafka;

import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells the broker how far each partition is done, always after the database. A commit that fails
 * or is late costs repeats, which the inbox answers. Poll thread only.
 */
final class OffsetCommits {
  private static final Logger log = LoggerFactory.getLogger(InboxConsumer.class);

  private static final Duration COMMITS_WITHIN = Duration.ofSeconds(5);

  private final Consumer<byte[], byte[]> consumer;
  private final Settings settings;

  OffsetCommits(Consumer<byte[], byte[]> consumer, Settings settings) {
    this.consumer = consumer;
    this.settings = settings;
  }

  void commitSoon(Collection<PartitionWork> works) {
    Map<TopicPartition, OffsetAndMetadata> offsets = news(works);
    if (offsets.isEmpty()) {
      return;
    }
    List<PartitionWork> told =
        works.stream().filter(work -> offsets.containsKey(work.partition())).toList();
    consumer.commitAsync(
        offsets,
        (committed, failure) -> {
          if (failure != null) {
            log.debug("consumer {}: offsets not committed: {}", name(), failure.toString());
            told.forEach(work -> work.setCommitted(-1));
          }
        });
  }

  void commitNow(Collection<PartitionWork> works) {
    Map<TopicPartition, OffsetAndMetadata> offsets = news(works);
    if (offsets.isEmpty()) {
      return;
    }
    try {
      consumer.commitSync(offsets, COMMITS_WITHIN);
    } catch (KafkaException e) {
      log.warn(
          "consumer {}: offsets not committed, so some messages will come again: {}",
          name(),
          e.toString());
    }
  }

  private Map<TopicPartition, OffsetAndMetadata> news(Collection<PartitionWork> works) {
    Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
    for (PartitionWork work : works) {
      OptionalLong next = work.tracker().next();
      if (next.isPresent() && next.getAsLong() != work.committed()) {
        offsets.put(work.partition(), new OffsetAndMetadata(next.getAsLong()));
        work.setCommitted(next.getAsLong());
      }
    }
    return offsets;
  }

  private String name() {
    return settings.inbox().consumer();
  }
}
