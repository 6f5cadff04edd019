package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.InboxOffsets.Offset;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;
import org.apache.kafka.common.KafkaException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Asks database and broker what has to be known before the first message of a partition, as often
 * as it takes; the partition is paused meanwhile. Runs on workers: the poll thread waits for
 * nobody.
 */
final class Preparation implements Runnable {
  private static final Logger log = LoggerFactory.getLogger(InboxConsumer.class);

  private static final RetryPolicy PAUSES =
      new RetryPolicy(1, Duration.ofMillis(100), Duration.ofSeconds(5), 0.5);

  private final PartitionWork work;
  private final OptionalLong replacement;
  private final LaneContext context;
  private final Consumer<Preparation> whenDone;
  private Optional<Offset> offset = Optional.empty();
  private int failures;

  /**
   * Prepares.
   *
   * @param replacement keep this offset instead of the one that is kept; empty to read it
   */
  Preparation(
      PartitionWork work,
      OptionalLong replacement,
      LaneContext context,
      Consumer<Preparation> whenDone) {
    this.work = work;
    this.replacement = replacement;
    this.context = context;
    this.whenDone = whenDone;
  }

  @Override
  public void run() {
    if (!work.begin()) {
      return;
    }
    boolean isDone = false;
    try {
      isDone = isPrepared();
    } catch (RuntimeException | Error e) {
      log.error("preparing {} failed unexpectedly", work.partition(), e);
      failed(ConsumerState.MISCONFIGURED, e, "unexpected: " + e);
    } finally {
      if (!work.end()) {
        context.troubles().clear(this);
      }
    }
    if (isDone) {
      whenDone.accept(this);
    } else {
      context.workers().runAfter(PAUSES.pauseAfter(failures), this);
    }
  }

  private boolean isPrepared() {
    try {
      if (context.settings().offsetsInDatabase()) {
        work.setTopicId(context.topicIds().of(work.topic()));
      }
      if (replacement.isPresent()) {
        context.transaction().replaceOffset(work, replacement.getAsLong());
      }
      offset = context.transaction().prepare(work);
      context.troubles().clear(this);
      return true;
    } catch (StepFailure e) {
      ConsumerState state =
          e.kind() == StepFailure.Kind.DATABASE_AWAY
              ? ConsumerState.WAITING_FOR_DATABASE
              : ConsumerState.MISCONFIGURED;
      failed(state, e.failure(), e.reason());
      return false;
    } catch (KafkaException e) {
      failed(ConsumerState.WAITING_FOR_BROKER, e, StepFailure.shown(e));
      return false;
    }
  }

  private void failed(ConsumerState state, Throwable failure, String reason) {
    failures++;
    context.troubles().failed(failure);
    context.troubles().set(this, state, work.partition() + ": " + reason);
  }

  PartitionWork work() {
    return work;
  }

  /** The offset kept with the effects. */
  Optional<Offset> offset() {
    return offset;
  }
}
