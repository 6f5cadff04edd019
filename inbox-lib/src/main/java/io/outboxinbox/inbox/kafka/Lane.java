package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.InboxException;
import io.outboxinbox.inbox.kafka.MessageTransaction.Result;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Messages that must be handled strictly one after the other: a partition's, or those of some of
 * its keys. Runs one transaction at a time on a worker and gives the thread back after each, also
 * to pause: a message stays at the head until it is done, whatever it takes.
 */
final class Lane implements Runnable {
  private static final Logger log = LoggerFactory.getLogger(InboxConsumer.class);

  /** A guess: who loses that often before it wins has another problem; it counts as a failure. */
  private static final int CONFLICTS_MAX = 20;

  private static final RetryPolicy AFTER_CONFLICT =
      new RetryPolicy(1, Duration.ofMillis(2), Duration.ofMillis(500), 0.5);

  /** Soon enough not to be noticed after a restart, and gentle to a database that comes up. */
  private static final RetryPolicy WHILE_AWAY =
      new RetryPolicy(1, Duration.ofMillis(100), Duration.ofSeconds(5), 0.5);

  /** A guess: other lanes wait for the thread, and a handler that takes longer gains little. */
  private static final Duration ROW_MAX = Duration.ofMillis(50);

  private final PartitionWork partition;
  private final LaneContext context;
  private final Settings settings;
  private final ConsumerListener listener;

  // Guarded by this.
  private final Deque<Delivery> queue = new ArrayDeque<>();
  private boolean isScheduled;

  // Of the running step; the executor hands them from one thread to the next.
  /** How many messages at the head have to be tried one by one. */
  private int singles;

  private int failedAttempts;

  /** Also lost connections and what a handler finds lacking; outages in between are passed over. */
  private int conflicts;

  /** How often the inbox could not be asked; of no message's account. */
  private int unasked;

  private int outages;
  private @Nullable GivenUp givenUp;

  /** A transaction that has ended under the handler, until it is known how. */
  private @Nullable Ended ended;

  Lane(PartitionWork partition, LaneContext context) {
    this.partition = partition;
    this.context = context;
    this.settings = context.settings();
    this.listener = settings.listener();
  }

  synchronized void add(List<Delivery> deliveries) {
    queue.addAll(deliveries);
    if (!isScheduled) {
      isScheduled = true;
      context.workers().runAfter(Duration.ZERO, this);
    }
  }

  @Override
  public void run() {
    if (!partition.begin()) {
      // Not ours any more, or stopped: what is left here, another consumer will get.
      return;
    }
    Duration pause;
    try {
      pause = step();
    } catch (RuntimeException | Error e) {
      // Not the message's fault but ours, since everything else is caught where it belongs.
      pause = trouble(ConsumerState.MISCONFIGURED, e, "unexpected: " + e);
      log.error("consumer {}: unexpected failure", consumer(), e);
    } finally {
      if (!partition.end()) {
        // Whoever took the partition away may have looked before we had trouble.
        context.troubles().clear(this);
        context.troubles().clear(partition);
      }
    }
    scheduleNext(pause);
  }

  private synchronized void scheduleNext(Duration pause) {
    isScheduled = !queue.isEmpty();
    if (isScheduled) {
      context.workers().runAfter(pause, this);
    }
  }

  /** Runs one transaction; returns how long to wait before the next. */
  private Duration step() {
    if (ended != null) {
      return settle(ended);
    }
    List<Delivery> batch = next();
    Delivery first = batch.get(0);
    if (givenUp != null) {
      return bury(first, givenUp);
    }
    Throwable refusal = first.refusal();
    if (refusal != null) {
      return giveUp(first, refusal);
    }
    if (settings.batchMax() == 1) {
      return oneByOne(first);
    }
    long start = System.nanoTime();
    try {
      Result result = context.transaction().apply(partition, batch);
      succeeded(batch);
      tell(result, Duration.ofNanos(System.nanoTime() - start));
      return Duration.ZERO;
    } catch (StepFailure e) {
      return failed(batch, e);
    }
  }

  private Duration oneByOne(Delivery first) {
    Row row = new Row(first);
    try {
      context.transaction().applyEach(partition, first, row);
      return Duration.ZERO;
    } catch (StepFailure e) {
      return failed(List.of(row.current()), e);
    }
  }

  /** Messages that follow each other without giving the thread and the connection back. */
  private final class Row implements Succession {
    private final long begin = System.nanoTime();

    /** What has failed before is tried by itself, so that nothing else can fail with it. */
    private final boolean isAlone = failedAttempts + conflicts + unasked + outages > 0;

    private long start = begin;
    private Delivery current;
    private @Nullable Delivery following;

    Row(Delivery first) {
      this.current = first;
    }

    /** What is worked on; where all are done, the last. */
    Delivery current() {
      return current;
    }

    @Override
    public @Nullable Delivery next() {
      following = null;
      boolean isTooLong = System.nanoTime() - begin > ROW_MAX.toNanos();
      if (!isAlone && !isTooLong && partition.goesOn()) {
        Delivery second = second();
        if (second != null) {
          context.arrivals().read(second);
          following = second.refusal() == null ? second : null;
        }
      }
      return following;
    }

    @Override
    public boolean committed(Result result) {
      succeeded(List.of(current));
      long now = System.nanoTime();
      tell(result, Duration.ofNanos(now - start));
      start = now;
      if (following != null) {
        current = following;
      }
      return partition.goesOn();
    }
  }

  private synchronized @Nullable Delivery head() {
    return queue.peek();
  }

  private synchronized @Nullable Delivery second() {
    Iterator<Delivery> waiting = queue.iterator();
    waiting.next();
    return waiting.hasNext() ? waiting.next() : null;
  }

  /** What the next transaction is about: 1 or more; one without a readable id is alone. */
  private List<Delivery> next() {
    List<Delivery> batch = new ArrayList<>();
    int limit = singles > 0 || givenUp != null ? 1 : settings.batchMax();
    synchronized (this) {
      for (Delivery delivery : queue) {
        if (batch.size() == limit) {
          break;
        }
        batch.add(delivery);
      }
    }
    for (int i = 0; i < batch.size(); i++) {
      context.arrivals().read(batch.get(i));
      if (batch.get(i).refusal() != null) {
        return batch.subList(0, Math.max(1, i));
      }
    }
    return batch;
  }

  private void succeeded(List<Delivery> batch) {
    synchronized (this) {
      batch.forEach(delivery -> queue.remove());
    }
    partition.done(batch);
    singles = Math.max(0, singles - batch.size());
    failedAttempts = 0;
    conflicts = 0;
    unasked = 0;
    outages = 0;
    givenUp = null;
    context.troubles().clear(this);
  }

  private void tell(Result result, Duration time) {
    if (result.handled() > 0) {
      listener.handled(partition.topic(), result.handled(), time);
    }
    if (result.duplicates() > 0) {
      listener.duplicates(partition.topic(), result.duplicates());
    }
    if (result.queued() > 0) {
      listener.queuedBehind(partition.topic(), result.queued());
    }
  }

  private Duration failed(List<Delivery> batch, StepFailure failure) {
    context.troubles().failed(failure.failure());
    if (failure.doubtful().size() == 0) {
      return again(batch, failure);
    }
    ended = new Ended(batch, failure);
    return settle(ended);
  }

  /**
   * Finds out how a transaction has ended. At once, for nobody else knows of it: the inbox takes
   * its messages for handled if it was committed.
   */
  private Duration settle(Ended open) {
    GivenUp why = open.why(failedAttempts + 1);
    boolean isCommitted;
    try {
      isCommitted = context.transaction().keepEnded(partition, open, why);
    } catch (StepFailure e) {
      return trouble(
          e.kind() == StepFailure.Kind.MISCONFIGURED
              ? ConsumerState.MISCONFIGURED
              : ConsumerState.WAITING_FOR_DATABASE,
          e.failure(),
          Ended.unsettled(e));
    }
    ended = null;
    if (!isCommitted) {
      return again(open.batch(), open.failure());
    }
    context.troubles().failed(why.cause());
    String reason = why.failure().reason();
    for (int i = 0; i < open.failure().doubtful().size(); i++) {
      listener.deadLettered(partition.topic(), partition.number(), reason);
    }
    if (settings.onFailure() == FailurePolicy.STOP) {
      return stop(open.place(), why.cause());
    }
    log.error("consumer {}: dead letters from {} on", consumer(), open.place(), why.cause());
    succeeded(open.batch());
    return Duration.ZERO;
  }

  private Duration again(List<Delivery> batch, StepFailure failure) {
    return switch (failure.kind()) {
      case CONFLICT -> conflict(batch, failure);
      case DATABASE_AWAY -> away(batch, failure);
      case MISCONFIGURED -> misconfigured(batch, failure);
      case UNUSABLE, HANDLER -> handlerFailed(batch, failure);
    };
  }

  private Duration conflict(List<Delivery> batch, StepFailure failure) {
    if (failure.isBeforeHandler()) {
      return unasked(failure);
    }
    unasked = 0;
    conflicts++;
    if (conflicts > CONFLICTS_MAX) {
      conflicts = 0;
      return handlerFailed(batch, failure);
    }
    listener.retried(partition.topic(), partition.number(), conflicts, failure.failure());
    return AFTER_CONFLICT.pauseAfter(conflicts);
  }

  /**
   * Where the admission went well each time and the handler did not, one message may be what asks
   * for more than there is.
   */
  private Duration away(List<Delivery> batch, StepFailure failure) {
    if (!failure.mayBeOfMessage()) {
      // The count of conflicts stays: a message that crashes the server sees it come back each
      // time.
      return trouble(ConsumerState.WAITING_FOR_DATABASE, failure.failure(), failure.reason());
    }
    if (batch.size() > 1) {
      return oneByOneAfter(batch, failure);
    }
    conflicts++;
    if (conflicts > CONFLICTS_MAX) {
      conflicts = 0;
      return handlerFailed(batch, failure);
    }
    return trouble(ConsumerState.WAITING_FOR_DATABASE, failure.failure(), failure.reason());
  }

  /** No handler has run, so it is no message's fault, however often it is the same. */
  private Duration unasked(StepFailure failure) {
    unasked++;
    if (unasked > CONFLICTS_MAX) {
      String reason = "the inbox cannot be asked: " + failure.reason();
      return trouble(ConsumerState.WAITING_FOR_DATABASE, failure.failure(), reason);
    }
    listener.retried(partition.topic(), partition.number(), unasked, failure.failure());
    return AFTER_CONFLICT.pauseAfter(unasked);
  }

  /** The same again later, for ever. */
  private Duration trouble(ConsumerState state, Throwable failure, String reason) {
    outages++;
    context.troubles().failed(failure);
    Delivery head = head();
    String where = head == null ? partition.partition().toString() : head.envelope().place();
    context.troubles().set(this, state, where + ": " + reason);
    listener.retried(partition.topic(), partition.number(), outages, failure);
    return WHILE_AWAY.pauseAfter(outages);
  }

  private Duration misconfigured(List<Delivery> batch, StepFailure failure) {
    // What comes before a new epoch need not wait until that is accepted.
    return batch.size() > 1
        ? oneByOneAfter(batch, failure)
        : trouble(ConsumerState.MISCONFIGURED, failure.failure(), failure.reason());
  }

  /** One of them is to blame; the others need not suffer for it. */
  private Duration oneByOneAfter(List<Delivery> batch, StepFailure failure) {
    singles = batch.size();
    listener.retried(partition.topic(), partition.number(), 1, failure.failure());
    log.warn(
        "consumer {}: a batch of {} from {} failed and is run one by one: {}",
        consumer(),
        batch.size(),
        batch.get(0).envelope().place(),
        failure.reason());
    return Duration.ZERO;
  }

  private Duration handlerFailed(List<Delivery> batch, StepFailure failure) {
    context.troubles().clear(this);
    outages = 0;
    if (batch.size() > 1) {
      return oneByOneAfter(batch, failure);
    }
    Delivery delivery = batch.get(0);
    boolean isUnusable = failure.kind() == StepFailure.Kind.UNUSABLE;
    if (isUnusable && failure.isOfInbox()) {
      delivery.refuse(failure.failure());
      return giveUp(delivery, failure.failure());
    }
    failedAttempts++;
    if (isUnusable || failedAttempts >= settings.retry().attemptsMax()) {
      return giveUp(delivery, failure.failure());
    }
    listener.retried(partition.topic(), partition.number(), failedAttempts, failure.failure());
    Duration pause = settings.retry().pauseAfter(failedAttempts);
    log.warn(
        "consumer {}: attempt {} of {} at {} failed, next in {} ms: {}",
        consumer(),
        failedAttempts,
        settings.retry().attemptsMax(),
        delivery.envelope().place(),
        pause.toMillis(),
        failure.reason());
    return pause;
  }

  private Duration giveUp(Delivery delivery, Throwable cause) {
    if (!partition.isOpen()) {
      // Interrupted by a close, perhaps. The next owner will find out by itself.
      return Duration.ZERO;
    }
    String place = delivery.envelope().place();
    context.troubles().failed(cause);
    if (settings.onFailure() == FailurePolicy.STOP) {
      return stop(place, cause);
    }
    log.error("consumer {}: {} becomes a dead letter", consumer(), place, cause);
    GivenUp why = new GivenUp(cause, failedAttempts);
    givenUp = why;
    return bury(delivery, why);
  }

  private Duration stop(String place, Throwable cause) {
    partition.stop();
    String reason = place + " failed: " + StepFailure.shown(cause);
    context.troubles().set(partition, ConsumerState.STOPPED, reason);
    log.error("consumer {}: {}; its partition stands still", consumer(), reason, cause);
    return Duration.ZERO;
  }

  private Duration bury(Delivery delivery, GivenUp why) {
    boolean isAdded;
    try {
      isAdded = context.transaction().bury(partition, delivery, why);
    } catch (StepFailure e) {
      return buryFailed(delivery, e);
    }
    succeeded(List.of(delivery));
    if (isAdded) {
      if (why.cause() instanceof InboxException.Forgotten) {
        listener.tooOld(partition.topic(), 1);
      }
      listener.deadLettered(partition.topic(), partition.number(), why.failure().reason());
    } else {
      listener.duplicates(partition.topic(), 1);
    }
    return Duration.ZERO;
  }

  /** Nothing is dropped: it is tried until it succeeds. */
  private Duration buryFailed(Delivery delivery, StepFailure failure) {
    return switch (failure.kind()) {
      case CONFLICT -> buryAgain(failure);
      case DATABASE_AWAY -> {
        conflicts = 0;
        yield trouble(ConsumerState.WAITING_FOR_DATABASE, failure.failure(), unwritten(failure));
      }
      case UNUSABLE -> {
        if (delivery.refusal() != null) {
          // The inbox was not asked, so it is not that.
          yield unwritable(failure);
        }
        delivery.refuse(failure.failure());
        yield Duration.ZERO;
      }
      case MISCONFIGURED, HANDLER -> unwritable(failure);
    };
  }

  /** What is met each time, such as a limit, is no conflict, and a person has to see to it. */
  private Duration buryAgain(StepFailure failure) {
    conflicts++;
    if (conflicts > CONFLICTS_MAX) {
      return unwritable(failure);
    }
    context.troubles().failed(failure.failure());
    listener.retried(partition.topic(), partition.number(), conflicts, failure.failure());
    return AFTER_CONFLICT.pauseAfter(conflicts);
  }

  private Duration unwritable(StepFailure failure) {
    return trouble(ConsumerState.MISCONFIGURED, failure.failure(), unwritten(failure));
  }

  private static String unwritten(StepFailure failure) {
    return "cannot write a dead letter: " + failure.reason();
  }

  private String consumer() {
    return settings.inbox().consumer();
  }
}
