package io.outboxinbox.agent.publish.kafka;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
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
  private final ScheduledExecutorService thread =
      Executors.newSingleThreadScheduledExecutor(
          task -> {
            Thread named = new Thread(task, "stable-offsets");
            named.setDaemon(true);
            return named;
          });
  private volatile Duration hidden = Duration.ZERO;

  StableOffsetWatch(TopicCatalog topics) {
    this.topics = topics;
  }

  // The executor runs until close; what it finds is kept in a field, not in this future.
  @SuppressWarnings("FutureReturnValueIgnored")
  void start() {
    thread.scheduleWithFixedDelay(
        this::look, INTERVAL.toMillis(), INTERVAL.toMillis(), TimeUnit.MILLISECONDS);
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
    } catch (Error e) {
      // The executor keeps it to itself, and never looks again.
      Thread thread = Thread.currentThread();
      thread.getUncaughtExceptionHandler().uncaughtException(thread, e);
      throw e;
    }
  }

  Duration hidden() {
    return hidden;
  }

  @Override
  public void close() {
    thread.shutdownNow();
  }
}
