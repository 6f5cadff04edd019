package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.Arrival;
import io.outboxinbox.inbox.DeadLetters;
import io.outboxinbox.inbox.Envelope;
import io.outboxinbox.inbox.HandlerConnection;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.InboxException;
import io.outboxinbox.inbox.InboxOffsets;
import io.outboxinbox.inbox.InboxOffsets.Offset;
import io.outboxinbox.inbox.Message;
import io.outboxinbox.inbox.MessageId;
import io.outboxinbox.inbox.Outcome;
import io.outboxinbox.inbox.TransactionEndedException;
import io.outboxinbox.inbox.Transactions;
import io.outboxinbox.inbox.kafka.StepFailure.Given;
import io.outboxinbox.inbox.kafka.StepFailure.Phase;
import java.nio.ByteBuffer;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/** Does what belongs to some messages of one lane in one transaction. Any thread. */
final class MessageTransaction {
  private final Settings settings;
  private final Inbox inbox;
  private final InboxOffsets offsets;
  private final DeadLetters deadLetters;
  private final HeldKeys heldKeys;
  private final ConnectionUse connectionUse;
  private final StepWatch stepWatch;
  private final Transactions transactions;

  MessageTransaction(
      Settings settings, HeldKeys heldKeys, ConnectionUse connectionUse, StepWatch stepWatch) {
    this.settings = settings;
    this.inbox = settings.inbox();
    this.offsets = InboxOffsets.of(inbox);
    this.deadLetters = settings.deadLetters();
    this.heldKeys = heldKeys;
    this.connectionUse = connectionUse;
    this.stepWatch = stepWatch;
    this.transactions = new Transactions(settings.dataSource());
  }

  /**
   * What became of the messages.
   *
   * @param released keys that turned out not to be held any more
   */
  record Result(List<Outcome> outcomes, int handled, int queued, List<byte[]> released) {
    int duplicates() {
      return (int) outcomes.stream().filter(Outcome::isDuplicate).count();
    }
  }

  /** A transaction with nothing left to do but its commit. */
  private record Open(Result result, long nextOffset) {}

  /** How far a transaction has come. */
  private static final class Progress implements HandlerConnection.Watch {
    final StepWatch.Step step;
    volatile Phase phase = Phase.CONNECT;

    /** The first message at hand; null in what is of no message. */
    volatile @Nullable Delivery at;

    boolean isSessionChanged;
    boolean isUsed;

    /** What was given to the handler. */
    Given given = Given.NOTHING;

    boolean mayHaveCommitted;

    Progress(StepWatch watch, @Nullable Delivery first) {
      this.at = first;
      this.step = watch.begin(this::where);
    }

    private String where() {
      Delivery first = at;
      return (first == null ? "a partition" : first.envelope().place()) + ": " + phase.words();
    }

    @Override
    public void used() {
      isUsed = true;
    }

    @Override
    public void sessionChanged() {
      isSessionChanged = true;
    }
  }

  private interface Work<T> {
    T on(Connection connection, Progress progress) throws Exception;
  }

  /** Runs the handler for those messages that are new and not held up. All have an arrival. */
  Result apply(PartitionWork partition, List<Delivery> batch) throws StepFailure {
    Open open =
        run(
            batch.get(0),
            (connection, progress) ->
                work(connection, partition, batch, admitAll(connection, batch), progress));
    return settle(partition, open);
  }

  /**
   * As {@link #apply} for one message after the other, each in its own transaction. All use one
   * connection, and where the database can, a message is admitted in the round trip that commits
   * the one before.
   *
   * @param first has an arrival
   */
  void applyEach(PartitionWork partition, Delivery first, Succession succession)
      throws StepFailure {
    Optional<Open> last =
        run(
            first,
            (connection, progress) -> inARow(connection, partition, first, succession, progress));
    last.ifPresent(open -> succession.committed(settle(partition, open)));
  }

  /** What is not committed in the end, if anything is left. */
  private Optional<Open> inARow(
      Connection connection,
      PartitionWork partition,
      Delivery first,
      Succession succession,
      Progress progress)
      throws Exception {
    List<Delivery> current = List.of(first);
    List<Outcome> outcomes = admitAll(connection, current);
    while (true) {
      Open open = work(connection, partition, current, outcomes, progress);
      Delivery next = progress.isSessionChanged ? null : succession.next();
      Arrival arrival = next == null ? null : next.arrival();
      if (next == null || arrival == null) {
        return Optional.of(open);
      }
      Optional<Outcome> admitted = inbox.commitAndAdmit(connection, outcomes.get(0), arrival);
      progress.phase = Phase.OURS;
      boolean goesOn = succession.committed(settle(partition, open));
      if (admitted.isEmpty()) {
        return Optional.empty();
      }
      if (!goesOn) {
        connection.rollback();
        return Optional.empty();
      }
      current = List.of(next);
      progress.at = next;
      outcomes = List.of(admitted.get());
    }
  }

  /** Everything of a transaction but its beginning and its end. */
  private Open work(
      Connection connection,
      PartitionWork partition,
      List<Delivery> batch,
      List<Outcome> outcomes,
      Progress progress)
      throws Exception {
    long next = partition.tracker().nextWith(batch);
    Result result = effects(connection, batch, outcomes, progress);
    keepOffset(connection, partition, next);
    if (result.handled() > 0) {
      progress.phase = Phase.COMMIT;
    }
    return new Open(result, next);
  }

  /** Nothing of this may be done before the commit is known. */
  private Result settle(PartitionWork partition, Open open) {
    partition.kept(open.nextOffset());
    inbox.committed(open.result().outcomes());
    String topic = partition.topic();
    open.result().released().forEach(key -> heldKeys.remove(topic, key));
    return open.result();
  }

  private List<Outcome> admitAll(Connection connection, List<Delivery> batch) throws SQLException {
    List<Arrival> arrivals = arrivals(batch);
    return arrivals.size() == 1
        ? List.of(inbox.admit(connection, arrivals.get(0)))
        : inbox.admitAll(connection, arrivals);
  }

  /**
   * Makes a dead letter of a message, in one transaction with its admission: it will be a duplicate
   * when it comes again. What the inbox refuses is told by its place instead.
   *
   * @return whether there is a new dead letter; otherwise somebody else has handled or kept it
   */
  boolean bury(PartitionWork partition, Delivery delivery, GivenUp why) throws StepFailure {
    byte @Nullable [] key = delivery.envelope().key();
    List<Outcome> outcomes = new ArrayList<>();
    long next = partition.tracker().nextWith(List.of(delivery));
    boolean isAdded =
        run(
            delivery,
            (connection, progress) -> {
              boolean isNew = keep(connection, delivery, why, outcomes);
              keepOffset(connection, partition, next);
              return isNew;
            });
    partition.kept(next);
    inbox.committed(outcomes);
    if (key != null && settings.isHoldingKeys()) {
      // Also where it was kept before: then by somebody else, and we have not known.
      heldKeys.add(partition.topic(), key);
    }
    return isAdded;
  }

  /**
   * Makes dead letters of messages whose transaction has ended under their handler, if it was
   * committed: the inbox knows them then, and nobody knows which of their effects are there.
   *
   * @return false if it was rolled back: none of it is there
   */
  boolean keepEnded(PartitionWork partition, Ended ended, GivenUp why) throws StepFailure {
    Given doubtful = ended.failure().doubtful();
    boolean isStopping = settings.onFailure() == FailurePolicy.STOP;
    long next = partition.tracker().nextWith(ended.batch());
    boolean isCommitted =
        run(
            (connection, progress) -> {
              if (!inbox.isCommitted(connection, doubtful.outcomes())) {
                return false;
              }
              progress.phase = Phase.BEHIND;
              for (int i = 0; i < doubtful.size(); i++) {
                Envelope envelope = doubtful.deliveries().get(i).envelope();
                if (!deadLetters.contains(connection, envelope)) {
                  MessageId id = doubtful.outcomes().get(i).id();
                  deadLetters.add(connection, envelope, id, why.failure());
                }
              }
              if (!isStopping) {
                keepOffset(connection, partition, next);
              }
              return true;
            });
    if (!isCommitted) {
      return false;
    }
    inbox.committed(doubtful.outcomes());
    if (!isStopping) {
      partition.kept(next);
    }
    for (Delivery delivery : doubtful.deliveries()) {
      byte @Nullable [] key = delivery.envelope().key();
      if (key != null && settings.isHoldingKeys()) {
        heldKeys.add(partition.topic(), key);
      }
    }
    return true;
  }

  /**
   * Reads what has to be known before the first message of a partition.
   *
   * @return the offset kept with the effects; empty if there is none or none is wanted
   */
  Optional<Offset> prepare(PartitionWork partition) throws StepFailure {
    return run(
        (connection, progress) -> {
          // Offset first: a dead letter that is not read yet lies behind it.
          Optional<Offset> offset =
              settings.offsetsInDatabase()
                  ? offsets.find(connection, partition.topic(), partition.number())
                  : Optional.empty();
          if (settings.isHoldingKeys()) {
            heldKeys.load(connection, partition.topic());
          }
          return offset;
        });
  }

  /** Keeps how far a partition is done, where nothing is left to keep it with. */
  void keepOffset(PartitionWork partition) throws StepFailure {
    OptionalLong next = partition.tracker().next();
    if (next.isPresent()) {
      run(
          (connection, progress) -> {
            keepOffset(connection, partition, next.getAsLong());
            return true;
          });
      partition.kept(next.getAsLong());
    }
  }

  /** Keeps an offset that may lie before the one that is kept. */
  void replaceOffset(PartitionWork partition, long offset) throws StepFailure {
    run(
        (connection, progress) -> {
          offsets.replace(
              connection,
              partition.topic(),
              partition.number(),
              new Offset(offset, partition.topicId()));
          return true;
        });
  }

  private boolean keep(
      Connection connection, Delivery delivery, GivenUp why, List<Outcome> outcomes)
      throws SQLException {
    Arrival arrival = delivery.arrival();
    if (arrival != null && delivery.refusal() == null) {
      Outcome outcome = inbox.admit(connection, arrival);
      outcomes.add(outcome);
      if (outcome.isNew()) {
        deadLetters.add(connection, delivery.envelope(), outcome.id(), why.failure());
      }
      if (!outcome.isTooOld()) {
        return outcome.isNew();
      }
    }
    // The inbox does not remember it, so its place has to tell whether it is kept already.
    boolean isNew = !deadLetters.contains(connection, delivery.envelope());
    if (isNew) {
      MessageId id = arrival == null ? null : arrival.id();
      deadLetters.addUnadmitted(connection, delivery.envelope(), id, why.failure());
    }
    return isNew;
  }

  private Result effects(
      Connection connection, List<Delivery> batch, List<Outcome> outcomes, Progress progress)
      throws Exception {
    Given given = Given.of();
    progress.given = given;
    refuseTooOld(batch, outcomes);
    if (settings.isHoldingKeys()) {
      learnHeldKeys(connection, batch, outcomes);
    }
    List<Message> messages = new ArrayList<>();
    Map<ByteBuffer, byte[]> released = new HashMap<>();
    int queued = 0;
    for (int i = 0; i < batch.size(); i++) {
      Outcome outcome = outcomes.get(i);
      if (outcome.isNew() && isHeld(connection, batch.get(i), released)) {
        deadLetters.addBehind(connection, batch.get(i).envelope(), outcome.id());
        queued++;
      } else if (outcome.isNew()) {
        messages.add(new Message(outcome.arrival(), batch.get(i).envelope()));
        given.deliveries().add(batch.get(i));
        given.outcomes().add(outcome);
      }
    }
    if (!messages.isEmpty()) {
      handle(connection, messages, progress);
    }
    return new Result(outcomes, messages.size(), queued, List.copyOf(released.values()));
  }

  private void handle(Connection connection, List<Message> messages, Progress progress)
      throws Exception {
    progress.phase = Phase.HANDLER;
    progress.isUsed = false;
    boolean hasFailed = true;
    HandlerConnection given =
        inbox.handlerConnection(connection, progress.given.outcomes().get(0), progress);
    try (given) {
      try {
        settings.handler().handle(given.connection(), messages);
      } finally {
        progress.step.ask();
      }
      given.requireUnended();
      progress.step.answered();
      hasFailed = false;
    } catch (Throwable e) {
      // Drivers close a connection that broke. Handlers may hide that behind a failure of theirs.
      // What the rollback does afterwards says nothing of why it was needed, so it is asked here.
      if (connection.isClosed() || progress.step.isCut()) {
        progress.phase = Phase.LOST;
      }
      progress.mayHaveCommitted = given.mayHaveCommitted();
      throw e;
    } finally {
      connectionUse.ended(progress.isUsed, hasFailed, messages.get(0).envelope().place());
    }
    progress.phase = Phase.BEHIND;
  }

  private boolean isHeld(Connection connection, Delivery delivery, Map<ByteBuffer, byte[]> released)
      throws SQLException {
    byte @Nullable [] key = delivery.envelope().key();
    String topic = delivery.envelope().topic();
    if (key == null || !settings.isHoldingKeys() || !heldKeys.mayHold(topic, key)) {
      return false;
    }
    boolean isHeld = deadLetters.isHeld(connection, topic, key);
    if (!isHeld) {
      released.put(ByteBuffer.wrap(key), key);
    }
    return isHeld;
  }

  private void learnHeldKeys(Connection connection, List<Delivery> batch, List<Outcome> outcomes)
      throws SQLException {
    String topic = batch.get(0).envelope().topic();
    Map<ByteBuffer, byte[]> suspects = new HashMap<>();
    for (int i = 0; i < batch.size(); i++) {
      byte @Nullable [] key = batch.get(i).envelope().key();
      if (key != null && outcomes.get(i).isDuplicate() && !heldKeys.mayHold(topic, key)) {
        suspects.put(ByteBuffer.wrap(key), key);
      }
    }
    if (!suspects.isEmpty()) {
      heldKeys.learn(connection, topic, suspects.values());
    }
  }

  private void refuseTooOld(List<Delivery> batch, List<Outcome> outcomes) {
    for (int i = 0; i < batch.size(); i++) {
      if (outcomes.get(i).isTooOld()) {
        throw new InboxException.Forgotten(
            "message "
                + outcomes.get(i).id()
                + " at "
                + batch.get(i).envelope().place()
                + " is older than what inbox "
                + inbox.consumer()
                + " remembers",
            "look whether its effects are there, then retry it with force or discard it");
      }
    }
  }

  private void keepOffset(Connection connection, PartitionWork partition, long next)
      throws SQLException {
    if (settings.offsetsInDatabase()) {
      offsets.advance(
          connection, partition.topic(), partition.number(), new Offset(next, partition.topicId()));
    }
  }

  private static List<Arrival> arrivals(List<Delivery> batch) {
    List<Arrival> arrivals = new ArrayList<>(batch.size());
    for (Delivery delivery : batch) {
      Arrival arrival = delivery.arrival();
      if (arrival == null) {
        throw new IllegalStateException("not readable: " + delivery.envelope().place());
      }
      arrivals.add(arrival);
    }
    return arrivals;
  }

  private <T> T run(Work<T> work) throws StepFailure {
    return run(null, work);
  }

  private <T> T run(@Nullable Delivery first, Work<T> work) throws StepFailure {
    Progress progress = new Progress(stepWatch, first);
    try {
      return transactions.<T, Exception>run(
          connection -> {
            progress.step.on(connection);
            progress.phase = Phase.OURS;
            try {
              return work.on(connection, progress);
            } catch (Throwable e) {
              // What is left is the rollback.
              progress.step.ask();
              throw e;
            }
          });
    } catch (Throwable e) {
      if (e instanceof InterruptedException) {
        Thread.currentThread().interrupt();
      }
      throw progress.mayHaveCommitted || TransactionEndedException.isIn(e)
          ? StepFailure.ofEnded(progress.phase, e, progress.given)
          : StepFailure.of(progress.phase, e);
    } finally {
      progress.step.end();
    }
  }
}
