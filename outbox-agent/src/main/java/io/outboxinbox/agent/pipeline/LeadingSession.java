package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Receipt;
import io.outboxinbox.agent.event.WayOut;
import io.outboxinbox.agent.lead.Leadership;
import io.outboxinbox.agent.lead.Pulse;
import io.outboxinbox.agent.park.ParkedEvents;
import io.outboxinbox.agent.park.ParkingLot;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.reconcile.Reconcile;
import io.outboxinbox.agent.route.Router;
import io.outboxinbox.agent.source.RowCheck;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.inspect.Findings;
import io.outboxinbox.agent.source.inspect.SourcePreflight;
import io.outboxinbox.agent.source.log.LogReader;
import io.outboxinbox.agent.source.table.Backlog;
import io.outboxinbox.agent.source.table.PageLimit;
import io.outboxinbox.agent.stream.Acknowledger;
import io.outboxinbox.agent.stream.EndedTransactions;
import io.outboxinbox.agent.stream.EventRules;
import io.outboxinbox.agent.stream.Releases;
import io.outboxinbox.agent.stream.StreamMemory;
import io.outboxinbox.agent.stream.TransactionGrouper;
import io.outboxinbox.agent.stream.Triage;
import io.outboxinbox.agent.watch.Cleaner;
import io.outboxinbox.agent.watch.SourceWatch;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
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

  /** An idle connection that was ended must not be found dead by the first event to be parked. */
  private static final Duration ASK_CONTROL_EVERY = Duration.ofSeconds(5);

  private static final int ANSWER_SECONDS = 30;

  private final PipelineConfiguration pipeline;
  private final Router router;
  private final Leadership leadership;
  private final Pulse pulse;
  private final PipelineMonitor monitor;
  private final Clock clock;
  private final BooleanSupplier mustEnd;
  private final StreamMemory memory;
  private final Findings findings;
  private final AgentException.@Nullable Gap seen;

  LeadingSession(
      PipelineConfiguration pipeline,
      PipelineMemory memory,
      Leadership leadership,
      Pulse pulse,
      PipelineMonitor monitor,
      Clock clock,
      BooleanSupplier mustEnd,
      AgentException.@Nullable Gap seen) {
    this.pipeline = pipeline;
    this.memory = memory.stream();
    this.findings = memory.findings();
    this.router = pipeline.router().forSource(leadership.source());
    this.leadership = leadership;
    this.pulse = pulse;
    this.monitor = monitor;
    this.clock = clock;
    this.mustEnd = mustEnd;
    this.seen = seen;
  }

  /**
   * Leads until asked to stop or to pause.
   *
   * @throws AgentException its type says how to go on
   * @throws SQLException the database went away: retryable
   */
  void run() throws SQLException, InterruptedException {
    SourceConnections connections = leadership.connections();
    StepTimes times = new StepTimes();
    try (Publisher publisher = pipeline.publish().newPublisher();
        Connection control = connections.open("control", ANSWER_SECONDS)) {
      SessionStart start =
          new SessionStart(
              pipeline, findings, leadership, control, publisher, monitor::aboutToRead, clock);
      times.done("connect");
      Reconcile reconcile = reconcile(publisher, control);
      Checkpoint checkpoint = start.run(router.fixedTopics(), reconcile, times);
      times.done("compare");
      LOG.info(
          "leading source {} from sequence {} of epoch {}",
          leadership.source().id(),
          checkpoint.sequence(),
          checkpoint.epoch());
      monitor.published(0, checkpoint);
      memory.beginSession();
      Parking parking = parking(publisher, control);
      parking.lot().open(checkpoint, parking.releases()::flow);
      checkpoint = publishBacklog(publisher, parking, control, checkpoint);
      if (checkpoint.isBacklogDone()) {
        reconcile.finish(checkpoint);
      }
      if (mustEnd.getAsBoolean()) {
        return;
      }
      try (LogReader reader =
              new LogReader(
                  pipeline.source(),
                  checkpoint.position(),
                  pulse.nonce(),
                  pipeline.batch().maxEvents());
          SourceWatch watch = new SourceWatch(pipeline, checkpoint, connections, reader, monitor);
          Cleaner cleaner = new Cleaner(pipeline, connections, monitor::durable, monitor)) {
        times.done("backlog");
        reader.start();
        times.done("start reading");
        start.verifySlot(checkpoint);
        watch.start();
        times.done("verify");
        cleaner.start();
        leadership.takeoverEnds().ifPresent(time -> monitor.tookOver(time, leadership.stalled()));
        monitor.lead();
        LOG.info("reading the log after {} ms: {}", times.total().toMillis(), times);
        stream(new Stream(publisher, control, reader, watch), parking, checkpoint);
      } catch (AgentException.Gap gap) {
        // What is wrong with the table now comes first: mended, it may leave no gap at all.
        Findings.refuse(SourcePreflight.check(control, pipeline.source()));
        // Only reading shows this one, so the next start has to be told.
        throw gap.at(checkpoint);
      }
    }
  }

  private Reconcile reconcile(Publisher publisher, Connection control) {
    return new Reconcile(
        new Reconcile.Lead(
            pipeline,
            leadership,
            control,
            publisher,
            router,
            pulse,
            monitor::explain,
            clock,
            mustEnd,
            seen));
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
                control,
                router.topicRule()),
            monitor,
            clock);
    return new Parking(
        lot,
        triage(publisher, lot, 0),
        new Releases(
            lot,
            publisher,
            new Releases.Rules(
                EventRules.of(router, publisher, 0),
                new RowCheck(pipeline.source()),
                memory.isolation(),
                memory.size(),
                System::nanoTime),
            monitor::released));
  }

  private Triage triage(Publisher publisher, ParkingLot lot, long reconciliation) {
    return new Triage(
        EventRules.of(router, publisher, reconciliation),
        lot.held(),
        memory,
        pipeline.parking().unknownTopic());
  }

  /** What is open while the log is read. */
  private record Stream(
      Publisher publisher, Connection control, LogReader reader, SourceWatch watch) {}

  private void stream(Stream open, Parking parking, Checkpoint from)
      throws SQLException, InterruptedException {
    Publisher publisher = open.publisher();
    LogReader reader = open.reader();
    TransactionGrouper grouper = new TransactionGrouper(pipeline.batch(), parking.triage(), from);
    Progress progress =
        new Progress(new Acknowledger(reader), new EndedTransactions(from.publicationMark()));
    Checkpoint durable = from;
    long durableNanos = System.nanoTime();
    long askedNanos = durableNanos;
    pulse.expectAnew();
    while (!mustEnd.getAsBoolean()) {
      pulse.ensureAlive();
      open.watch().ensureSound(pulse.sinceReturn());
      if (System.nanoTime() - askedNanos > ASK_CONTROL_EVERY.toNanos()) {
        SourceConnections.ensureAnswers(open.control());
        askedNanos = System.nanoTime();
      }
      for (Captured captured : reader.poll()) {
        take(captured, grouper);
        note(captured, progress.ended());
        if (grouper.isBatchFull()) {
          durable = publish(publisher, parking, progress, grouper.takeEnded(), durable);
          durableNanos = System.nanoTime();
        }
      }
      monitor.skipped(reader.takeSkipped());
      monitor.hidden(publisher.hidden());
      TransactionGrouper.Batch batch = grouper.takeEnded();
      boolean hasMoved = !batch.position().equals(durable.position());
      boolean isDue = System.nanoTime() - durableNanos > POSITION_INTERVAL.toNanos();
      if (!batch.isEmpty() || (hasMoved && isDue)) {
        durable = publish(publisher, parking, progress, batch, durable);
        durableNanos = System.nanoTime();
      }
      grouper.throwIfWaiting();
      if (grouper.isIdle()) {
        long begun = System.nanoTime();
        durable = parking.releases().run(durable, batch.parked().size());
        pulse.wasNotRead(System.nanoTime() - begun);
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

  /** What is known of the log once a batch is durable. */
  private record Progress(Acknowledger acknowledger, EndedTransactions ended) {}

  private static void note(Captured captured, EndedTransactions ended) {
    if (captured instanceof Captured.Pulse returned) {
      ended.pulse(returned);
    } else if (captured instanceof Captured.TransactionEnd end) {
      ended.end(end.position());
    }
  }

  private Checkpoint publish(
      Publisher publisher,
      Parking parking,
      Progress progress,
      TransactionGrouper.Batch batch,
      Checkpoint before)
      throws SQLException {
    long begun = System.nanoTime();
    // Written down first: once the position is past them, the log does not bring them again.
    Checkpoint.Parking covered = parking.lot().write(batch.parked(), before);
    Checkpoint after =
        progress
            .ended()
            .addTo(before.advancedTo(batch.position(), batch.sequence()))
            .withParking(covered);
    List<Receipt> receipts = send(publisher, batch, after);
    progress.acknowledger().acknowledge(batch.events(), batch.position(), receipts);
    requireAll(receipts, batch);
    done(parking, batch, after);
    pulse.wasNotRead(System.nanoTime() - begun);
    return after;
  }

  private List<Receipt> send(
      Publisher publisher, TransactionGrouper.Batch batch, Checkpoint after) {
    if (!publisher.keepsCheckpoint() && batch.events().isEmpty()) {
      return List.of();
    }
    try {
      return memory
          .size()
          .measured(
              batch.events(),
              publisher.patience(),
              () -> publisher.publishBatch(batch.events(), after));
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
    while (!checkpoint.isBacklogDone() && !mustEnd.getAsBoolean()) {
      pulse.ensureAlive();
      Backlog.Page page =
          backlog.read(
              control,
              source,
              checkpoint.backlogOrdinal(),
              new PageLimit(
                  Math.min(pipeline.batch().maxEvents(), memory.isolation().limit()),
                  Math.min(pipeline.batch().atomicBytes(), memory.size().bytes())),
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
    if (isEnd && before.backlogOrdinal() < before.backlogEnd()) {
      throw new AgentException.Gap(
              "the rows older than the slot end at number %d of %d in outbox_backlog: somebody has emptied it before they were published"
                  .formatted(before.backlogOrdinal(), before.backlogEnd()),
              WayOut.RECONCILE)
          .at(before);
    }
    TransactionGrouper grouper =
        new TransactionGrouper(
            pipeline.batch(), triage(publisher, parking.lot(), before.reconciliation()), before);
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
