package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.acknowledge.Acknowledger;
import io.outboxinbox.agent.capture.Backlog;
import io.outboxinbox.agent.capture.LogReader;
import io.outboxinbox.agent.capture.RowCheck;
import io.outboxinbox.agent.capture.SourceConnections;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Receipt;
import io.outboxinbox.agent.park.ParkedEvents;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.route.Router;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One lead, from taking over to giving up: publishes the backlog, then what the log brings. Ends
 * normally only when asked to stop; any failure ends it with an exception, and nothing of it is
 * used again. Runs on the pipeline's thread.
 */
final class LeadingSession {
  private static final Logger LOG = LoggerFactory.getLogger(LeadingSession.class);

  /** How long a position without events may stay undurable; bounds the log an idle outbox keeps. */
  private static final Duration POSITION_INTERVAL = Duration.ofSeconds(5);

  private final PipelineConfiguration pipeline;
  private final Router router;
  private final Leadership leadership;
  private final Pulse pulse;
  private final PipelineMonitor monitor;
  private final Clock clock;
  private final BooleanSupplier isStopping;
  private final PipelineMemory memory;

  LeadingSession(
      PipelineConfiguration pipeline,
      PipelineMemory memory,
      Leadership leadership,
      Pulse pulse,
      PipelineMonitor monitor,
      Clock clock,
      BooleanSupplier isStopping) {
    this.pipeline = pipeline;
    this.memory = memory;
    this.router =
        new Router(pipeline.route(), pipeline.name(), pipeline.publish().reservedTopics());
    this.leadership = leadership;
    this.pulse = pulse;
    this.monitor = monitor;
    this.clock = clock;
    this.isStopping = isStopping;
  }

  /**
   * Leads until asked to stop.
   *
   * @throws AgentException its type says how to go on
   * @throws SQLException the database went away: retryable
   */
  void run() throws SQLException, InterruptedException {
    SourceConnections connections = new SourceConnections(pipeline.source());
    try (Publisher publisher = pipeline.publish().newPublisher();
        Connection control = connections.open("control", 30)) {
      SessionStart start = new SessionStart(pipeline, leadership, control, publisher, clock);
      Checkpoint checkpoint = start.run(router.fixedTopics());
      LOG.info(
          "leading source {} from sequence {} of epoch {}",
          leadership.source().id(),
          checkpoint.sequence(),
          checkpoint.epoch());
      monitor.published(0, checkpoint);
      memory.beginSession();
      Parking parking = parking(publisher, control);
      parking.lot().open(checkpoint, parking.releases()::flow);
      monitor.enter(State.LEADING, "");
      checkpoint = publishBacklog(publisher, parking, control, checkpoint);
      try (LogReader reader =
              new LogReader(
                  pipeline.source(),
                  checkpoint.position(),
                  pulse.nonce(),
                  pipeline.batch().maxEvents());
          SourceWatch watch = new SourceWatch(pipeline, checkpoint, monitor)) {
        reader.start();
        start.verifySlot(checkpoint);
        watch.start(connections);
        stream(publisher, parking, reader, watch, checkpoint);
      }
    }
  }

  /** What deals with events that cannot be published. */
  private record Parking(ParkingLot lot, Triage triage, Releases releases) {}

  private Parking parking(Publisher publisher, Connection control) {
    ParkingLot lot =
        new ParkingLot(
            ParkedEvents.in(
                pipeline.source().schema(),
                leadership.source().id(),
                leadership.connection(),
                control),
            monitor,
            clock);
    EventRules rules = EventRules.of(router, publisher);
    return new Parking(
        lot,
        new Triage(rules, lot.held(), memory, pipeline.parking().unknownTopic()),
        new Releases(
            lot,
            publisher,
            new Releases.Rules(
                rules, new RowCheck(pipeline.source()), memory.isolation(), System::nanoTime),
            monitor));
  }

  private void stream(
      Publisher publisher, Parking parking, LogReader reader, SourceWatch watch, Checkpoint from)
      throws SQLException, InterruptedException {
    TransactionGrouper grouper = new TransactionGrouper(pipeline.batch(), parking.triage(), from);
    Acknowledger acknowledger = new Acknowledger(reader);
    Checkpoint durable = from;
    long durableNanos = System.nanoTime();
    while (!isStopping.getAsBoolean()) {
      pulse.ensureAlive();
      watch.ensureSound(pulse, reader.sinceActivity());
      for (Captured captured : reader.poll()) {
        take(captured, grouper);
        if (grouper.isBatchFull()) {
          durable = publish(publisher, parking, acknowledger, grouper.takeEnded(), durable);
        }
      }
      TransactionGrouper.Batch batch = grouper.takeEnded();
      boolean hasMoved = !batch.position().equals(durable.position());
      boolean isDue = System.nanoTime() - durableNanos > POSITION_INTERVAL.toNanos();
      if (!batch.isEmpty() || (hasMoved && isDue)) {
        durable = publish(publisher, parking, acknowledger, batch, durable);
        durableNanos = System.nanoTime();
      }
      grouper.throwIfWaiting();
      if (grouper.isIdle()) {
        durable = parking.releases().run(durable, batch.parked().size());
        grouper.skipTo(durable.sequence());
      }
    }
  }

  private void take(Captured captured, TransactionGrouper grouper) {
    if (captured instanceof Captured.Row row) {
      grouper.add(row);
    } else if (captured instanceof Captured.TransactionEnd end) {
      grouper.add(end);
    } else if (captured instanceof Captured.BadRow bad) {
      grouper.add(bad);
    } else if (captured instanceof Captured.Pulse returned) {
      pulse.returned(returned.number());
      monitor.pulsed(pulse);
    }
  }

  private Checkpoint publish(
      Publisher publisher,
      Parking parking,
      Acknowledger acknowledger,
      TransactionGrouper.Batch batch,
      Checkpoint before)
      throws SQLException {
    // Written down first: once the position is past them, the log does not bring them again.
    Checkpoint.Parking covered = parking.lot().write(batch.parked(), before);
    Checkpoint after = before.advancedTo(batch.position(), batch.sequence()).withParking(covered);
    List<Receipt> receipts = send(publisher, batch, after);
    acknowledger.acknowledge(batch.events(), batch.position(), receipts);
    requireAll(receipts, batch);
    done(parking, batch, after);
    return after;
  }

  private List<Receipt> send(
      Publisher publisher, TransactionGrouper.Batch batch, Checkpoint after) {
    if (!publisher.keepsCheckpoint() && batch.events().isEmpty()) {
      return List.of();
    }
    try {
      return publisher.publishBatch(batch.events(), after);
    } catch (AgentException.RejectedEvent e) {
      if (batch.events().isEmpty()) {
        throw e;
      }
      memory.isolation().refused(batch.events(), e);
      throw new AgentException.Retryable(
          "the broker refused an event of a batch of %d; looking for it: %s"
              .formatted(batch.events().size(), e.getMessage()),
          e);
    }
  }

  private void done(Parking parking, TransactionGrouper.Batch batch, Checkpoint after) {
    parking.lot().parked(batch.parked(), after);
    memory.isolation().passed(batch.events().size(), batch.parked());
    memory.breaker().progressed();
    monitor.published(batch.events().size(), after);
  }

  private static void requireAll(List<Receipt> receipts, TransactionGrouper.Batch batch) {
    if (receipts.size() < batch.events().size()) {
      throw new AgentException.Retryable(
          "the broker confirmed only %d of %d events"
              .formatted(receipts.size(), batch.events().size()),
          null);
    }
  }

  /** Publishes rows older than the slot, page by page, each with its progress. */
  private Checkpoint publishBacklog(
      Publisher publisher, Parking parking, Connection control, Checkpoint from)
      throws SQLException {
    Backlog backlog = new Backlog(pipeline.source());
    String source = leadership.source().id();
    Checkpoint checkpoint = from;
    while (!checkpoint.isBacklogDone() && !isStopping.getAsBoolean()) {
      pulse.ensureAlive();
      Backlog.Page page =
          backlog.read(
              control,
              source,
              checkpoint.backlogOrdinal(),
              new Backlog.Limit(
                  Math.min(pipeline.batch().maxEvents(), memory.isolation().limit()),
                  pipeline.batch().atomicBytes()),
              checkpoint.position());
      checkpoint = publishPage(publisher, parking, page, checkpoint);
      if (page.missing() > 0) {
        LOG.warn(
            "{} rows older than the slot were deleted before they could be published",
            page.missing());
      }
    }
    if (checkpoint.isBacklogDone()) {
      backlog.clear(control, source);
    }
    return checkpoint;
  }

  private Checkpoint publishPage(
      Publisher publisher, Parking parking, Backlog.Page page, Checkpoint before)
      throws SQLException {
    boolean isEnd = page.lastOrdinal() == before.backlogOrdinal();
    TransactionGrouper grouper = new TransactionGrouper(pipeline.batch(), parking.triage(), before);
    for (Captured row : page.rows()) {
      take(row, grouper);
    }
    grouper.endBacklogPage();
    grouper.throwIfWaiting();
    TransactionGrouper.Batch batch = grouper.takeEnded();
    Checkpoint after =
        before
            .withBacklog(isEnd ? Checkpoint.BACKLOG_DONE : page.lastOrdinal(), batch.sequence())
            .withParking(parking.lot().write(batch.parked(), before));
    requireAll(send(publisher, batch, after), batch);
    done(parking, batch, after);
    return after;
  }
}
