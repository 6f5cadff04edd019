package io.outboxinbox.inbox.kafka;

import java.time.Duration;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Polls, hands on, commits; waits for nothing else, so that Kafka never takes a busy consumer for a
 * dead one. If the Kafka consumer fails, it is closed and a new one begins: one way to recover,
 * whatever the failure was.
 */
final class PollLoop implements Runnable {
  private static final Logger log = LoggerFactory.getLogger(InboxConsumer.class);

  private static final Duration POLL = Duration.ofMillis(100);

  /** Where a partition waits for us, and not for the broker. */
  private static final Duration POLL_WHILE_PAUSED = Duration.ofMillis(10);

  /** A guess: repeats after a crash are cheap, commits are not free. */
  private static final Duration COMMIT_EVERY = Duration.ofMillis(500);

  private static final int TELL_LAG_EVERY_COMMITS = 4;

  private static final Duration CLOSE_AFTER_FAILURE_WITHIN = Duration.ofSeconds(10);

  private static final RetryPolicy PAUSES =
      new RetryPolicy(1, Duration.ofMillis(500), Duration.ofSeconds(30), 0.5);

  private final LaneContext context;
  private final HeldKeys heldKeys;
  private final RetentionCheck retentionCheck;
  private final Supplier<Consumer<byte[], byte[]>> consumers;
  private final Set<TopicPartition> begunAnew = new HashSet<>();
  private final CountDownLatch closing = new CountDownLatch(1);
  private volatile long closeDeadline;
  private int failures;

  /** After a failure that may be back with the next message; polls without any prove nothing. */
  private boolean mustSeeMessages;

  /**
   * Makes the loop of one consumer.
   *
   * @param consumers gives a new Kafka consumer, not subscribed yet, each time
   */
  PollLoop(
      LaneContext context,
      HeldKeys heldKeys,
      RetentionCheck retentionCheck,
      Supplier<Consumer<byte[], byte[]>> consumers) {
    this.context = context;
    this.heldKeys = heldKeys;
    this.retentionCheck = retentionCheck;
    this.consumers = consumers;
  }

  /** Ends the loop; it gives back its partitions before the deadline, see System.nanoTime. */
  void close(long deadline) {
    closeDeadline = deadline;
    closing.countDown();
  }

  @Override
  public void run() {
    try {
      while (!isClosing()) {
        try {
          runOneConsumer();
        } catch (RuntimeException | Error e) {
          failed(e);
        }
      }
    } finally {
      if (!isClosing()) {
        // An Error on top of an Error. Nobody polls any more, and somebody should know.
        context
            .troubles()
            .set(this, ConsumerState.MISCONFIGURED, "its poll thread has ended; start it anew");
      }
    }
  }

  private void failed(Throwable failure) {
    failures++;
    Duration pause = PAUSES.pauseAfter(failures);
    mustSeeMessages |= !(failure instanceof KafkaException);
    context.troubles().failed(failure);
    // No broker makes a class or a method go missing.
    ConsumerState state =
        failure instanceof Error ? ConsumerState.MISCONFIGURED : ConsumerState.WAITING_FOR_BROKER;
    context.troubles().set(this, state, StepFailure.shown(failure));
    log.error(
        "consumer {}: its Kafka consumer failed; a new one begins in {} ms",
        context.settings().inbox().consumer(),
        pause.toMillis(),
        failure);
    await(pause);
  }

  private void runOneConsumer() {
    Consumer<byte[], byte[]> consumer = consumers.get();
    Assignment assignment = new Assignment(consumer, context, heldKeys, begunAnew, retentionCheck);
    try {
      Settings settings = context.settings();
      if (settings.topicPattern() == null) {
        consumer.subscribe(settings.topics(), assignment);
      } else {
        consumer.subscribe(settings.topicPattern(), assignment);
      }
      poll(consumer, assignment);
    } catch (RuntimeException | Error e) {
      closeAfter(e, consumer, assignment);
      throw e;
    }
    close(consumer, assignment);
  }

  private void closeAfter(
      Throwable failure, Consumer<byte[], byte[]> consumer, Assignment assignment) {
    try {
      close(consumer, assignment);
    } catch (Error worse) {
      // It may still be a member, with partitions that nobody polls.
      if (worse != failure) {
        worse.addSuppressed(failure);
      }
      throw worse;
    }
  }

  private void poll(Consumer<byte[], byte[]> consumer, Assignment assignment) {
    long nextCommit = System.nanoTime();
    int commits = 0;
    while (!isClosing()) {
      assignment.beginPrepared();
      assignment.resumeDrained();
      ConsumerRecords<byte[], byte[]> polled =
          consumer.poll(assignment.isAnyPaused() ? POLL_WHILE_PAUSED : POLL);
      assignment.accept(polled);
      mustSeeMessages &= polled.isEmpty();
      if (System.nanoTime() - nextCommit >= 0) {
        assignment.commit();
        context.stepWatch().look();
        commits++;
        if (commits % TELL_LAG_EVERY_COMMITS == 0) {
          assignment.tellLag();
        }
        nextCommit = System.nanoTime() + COMMIT_EVERY.toNanos();
        if (!mustSeeMessages) {
          // Polls that went well for so long: the next failure is a new one.
          failures = 0;
          context.troubles().clear(this);
        }
      }
    }
  }

  // What takes its place came with 4.1 only.
  @SuppressWarnings("deprecation")
  private void close(Consumer<byte[], byte[]> consumer, Assignment assignment) {
    Duration limit = isClosing() ? left() : CLOSE_AFTER_FAILURE_WITHIN;
    try {
      // The rest is for the commit of offsets and for leaving the group.
      assignment.releaseAll(limit.multipliedBy(3).dividedBy(4));
    } catch (RuntimeException e) {
      log.warn("consumer {}: giving partitions back failed", consumerName(), e);
    } finally {
      try {
        consumer.close(isClosing() ? left() : CLOSE_AFTER_FAILURE_WITHIN);
      } catch (RuntimeException e) {
        log.warn("consumer {}: closing its Kafka consumer failed", consumerName(), e);
      }
    }
  }

  private String consumerName() {
    return context.settings().inbox().consumer();
  }

  private boolean isClosing() {
    return closing.getCount() == 0;
  }

  private Duration left() {
    return Duration.ofNanos(Math.max(0, closeDeadline - System.nanoTime()));
  }

  private void await(Duration pause) {
    try {
      if (closing.await(pause.toNanos(), TimeUnit.NANOSECONDS)) {
        log.debug("closing instead of trying again");
      }
    } catch (InterruptedException e) {
      // Nobody of ours interrupts this thread; who does wants it to end.
      Thread.currentThread().interrupt();
      closing.countDown();
    }
  }
}
