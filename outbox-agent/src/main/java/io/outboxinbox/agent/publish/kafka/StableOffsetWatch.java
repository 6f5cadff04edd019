package io.outboxinbox.agent.publish.kafka;

import io.outboxinbox.agent.event.Repeating;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Looks at the topics the agent writes to from time to time, on a thread of its own. */
final class StableOffsetWatch implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(StableOffsetWatch.class);

  /** Two requests for all partitions; a hanging transaction hangs for ever, so there is time. */
  private static final Duration INTERVAL = Duration.ofSeconds(30);

  private final TopicCatalog topics;
  private final StableOffsets<TopicPartition> offsets = new StableOffsets<>();
  private final Repeating thread = Repeating.named("stable-offsets");
  private volatile Duration hidden = Duration.ZERO;

  StableOffsetWatch(TopicCatalog topics) {
    this.topics = topics;
  }

  void start() {
    thread.withRests(INTERVAL, INTERVAL, this::look);
  }

  private void look() {
    try {
      List<TopicPartition> partitions = topics.knownPartitions();
      Map<TopicPartition, Long> stable =
          topics.endOffsets(partitions, IsolationLevel.READ_COMMITTED);
      Map<TopicPartition, Long> ends =
          topics.endOffsets(partitions, IsolationLevel.READ_UNCOMMITTED);
      hidden = offsets.look(System.nanoTime(), stable, ends);
    } catch (RuntimeException e) {
      // Publishing finds out whether the broker is away; the next look is due all the same.
      LOG.debug("looking at stable offsets failed", e);
    }
  }

  Duration hidden() {
    return hidden;
  }

  @Override
  public void close() {
    thread.close();
  }
}
