package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.Checkpoint;
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
import io.outboxinbox.agent.source.outbox.PageLimit;
import io.outboxinbox.agent.source.slot.ServerState;
import io.outboxinbox.agent.source.table.Backlog;
import io.outboxinbox.agent.source.table.BacklogPages;
import io.outboxinbox.agent.source.table.ParkedTable;
import io.outboxinbox.agent.source.table.TablePositions;
import io.outboxinbox.agent.stream.Commit;
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
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One lead, from taking over to giving up: publishes the backlog, then what the log brings. Ends
 * normally only when asked to stop; any failure ends it with an exception, and nothing of it is
 * used again. Runs on the pipeline's thread.
 */
record LeadingSession(
    PipelineConfiguration pipeline,
    Router router,
    StreamMemory memory,
    Findings findings,
    Leadership leadership,
    Pulse pulse,
    PipelineMonitor monitor,
    Clock clock,
    BooleanSupplier mustEnd,
    AgentException.@Nullable Gap seen) {
  private static final Logger LOG = LoggerFactory.getLogger(LeadingSession.class);

  /** How long a position without events may stay undurable; bounds the log an idle outbox keeps. */
  private static final Duration POSITION_INTERVAL = Duration.ofSeconds(5);

  /** An idle connection that was ended must not be found dead by the first event to be parked. */
  private static final Duration ASK_CONTROL_EVERY = Duration.ofSeconds(5);

  private static final int ANSWER_SECONDS = 30;

  /**
   * Leads until asked to stop or to pause.
   *
   * @throws AgentException its type says how to go on
   * @throws SQLException the database went away: retryable
   */
  void run() throws SQLException, InterruptedException {
    SourceConnections connections = leadership.connections();
    StepTimes times = new StepTimes();
    try (Publisher publisher =
            pipeline
                .publish()
                .newPublisher(new TablePositions(leadership.connection(), pipeline.source()));
        Connection control = connections.open("control", ANSWER_SECONDS)) {
      Reconcile.Lead lead = lead(publisher, control);
      SessionStart start = new SessionStart(lead, findings, monitor::aboutToRead);
      times.done("connect");
      Reconcile reconcile = new Reconcile(lead);
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
      checkpoint = open(publisher, parking, checkpoint);
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
        Findings.refuse(
            SourcePreflight.check(control, pipeline.source(), pipeline.needsPositions()));
        // Only reading shows this one, so the next start has to be told.
        throw gap.at(checkpoint);
      }
    }
  }

  /** Takes over what is parked; what a crash has left half published comes first. */
  private Checkpoint open(Publisher publisher, Parking parking, Checkpoint from)
      throws SQLException {
    parking.lot().align(from);
    Checkpoint checkpoint = from;
    if (publisher.mayRepeat()) {
      checkpoint = parking.releases().resume(unread(publisher, parking), from);
      parking.releases().holdUntil(ServerState.endOfLog(leadership.connection()));
    }
    parking.lot().open(checkpoint, parking.releases()::flow);
    return checkpoint;
  }

  /** While the log is not read yet its position stands still. */
  private Commit unread(Publisher publisher, Parking parking) {
    return new Commit(publisher, parking.lot(), memory, position -> {});
  }

  private Reconcile.Lead lead(Publisher publisher, Connection control) {
    return new Reconcile.Lead(
        pipeline,
        leadership,
        control,
        publisher,
        router,
        pulse,
        monitor::explain,
        clock,
        mustEnd,
        seen);
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
                new ParkedTable.TopicTemplates(pipeline.topicTemplates())),
            monitor,
            clock);
    return new Parking(
        lot,
        triage(publisher, lot, 0),
        new Releases(
            lot,
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
    TransactionGrouper grouper =
        new TransactionGrouper(pipeline.batch(), parking.triage(), publisher.mayRepeat(), from);
    Commit commit = new Commit(publisher, parking.lot(), memory, reader);
    EndedTransactions ended = new EndedTransactions(from.publicationMark());
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
        note(captured, ended);
        if (grouper.isBatchFull()) {
          durable = publish(commit, ended, grouper.takeEnded(), durable);
          durableNanos = System.nanoTime();
        }
      }
      monitor.skipped(reader.takeSkipped());
      monitor.hidden(publisher.hidden());
      TransactionGrouper.Batch batch = grouper.takeEnded();
      boolean hasMoved = !batch.position().equals(durable.position());
      boolean isDue = System.nanoTime() - durableNanos > POSITION_INTERVAL.toNanos();
      if (!batch.isEmpty() || (hasMoved && isDue)) {
        durable = publish(commit, ended, batch, durable);
        durableNanos = System.nanoTime();
      }
      grouper.throwIfWaiting();
      if (grouper.isIdle()) {
        long begun = System.nanoTime();
        durable = parking.releases().run(commit, durable, batch.parked().size());
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
    } else if (captured instanceof Captured.Absent) {
      grouper.addAbsent();
    } else if (captured instanceof Captured.Pulse returned) {
      pulse.returned(returned.number());
      monitor.pulsed(pulse);
    }
  }

  private static void note(Captured captured, EndedTransactions ended) {
    if (captured instanceof Captured.Pulse returned) {
      ended.pulse(returned);
    } else if (captured instanceof Captured.TransactionEnd end) {
      ended.end(end.position());
    }
  }

  private Checkpoint publish(
      Commit commit, EndedTransactions ended, TransactionGrouper.Batch batch, Checkpoint before)
      throws SQLException {
    long begun = System.nanoTime();
    Checkpoint after = ended.addTo(before.advancedTo(batch.position(), batch.sequence()));
    Checkpoint durable = publish(commit, batch, before, after);
    pulse.wasNotRead(System.nanoTime() - begun);
    return durable;
  }

  private Checkpoint publish(
      Commit commit, TransactionGrouper.Batch batch, Checkpoint before, Checkpoint after)
      throws SQLException {
    Checkpoint durable =
        commit.run(
            new Commit.Step(batch.events(), batch.parked(), after),
            before,
            refusal -> memory.isolation().refused(batch.events(), refusal));
    memory.breaker().progressed();
    monitor.published(batch.events().size(), durable);
    return durable;
  }

  /** Publishes rows older than the slot, page by page, each with its progress. */
  private Checkpoint publishBacklog(
      Publisher publisher, Parking parking, Connection control, Checkpoint from)
      throws SQLException {
    Backlog backlog = new Backlog(pipeline.source());
    String source = leadership.source().id();
    Commit commit = unread(publisher, parking);
    Checkpoint checkpoint = from;
    while (!checkpoint.isBacklogDone() && !mustEnd.getAsBoolean()) {
      pulse.ensureAlive();
      BacklogPages.Page page =
          backlog.read(
              control,
              source,
              checkpoint.backlogOrdinal(),
              new PageLimit(
                  Math.min(pipeline.batch().maxEvents(), memory.isolation().limit()),
                  Math.min(pipeline.batch().atomicBytes(), memory.size().bytes())),
              checkpoint.position());
      checkpoint =
          publishPage(
              commit,
              triage(publisher, parking.lot(), checkpoint.reconciliation()),
              page,
              checkpoint);
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
      Commit commit, Triage triage, BacklogPages.Page page, Checkpoint before) throws SQLException {
    boolean isEnd = page.lastOrdinal() == before.backlogOrdinal();
    if (isEnd && before.backlogOrdinal() < before.backlogEnd()) {
      throw new AgentException.Gap(
              "the rows older than the slot end at number %d of %d in outbox_backlog: somebody has emptied it before they were published"
                  .formatted(before.backlogOrdinal(), before.backlogEnd()),
              WayOut.RECONCILE)
          .at(before);
    }
    TransactionGrouper grouper =
        new TransactionGrouper(pipeline.batch(), triage, commit.mayRepeat(), before);
    for (Captured row : page.rows()) {
      take(row, grouper);
    }
    grouper.endBacklogPage();
    grouper.throwIfWaiting();
    TransactionGrouper.Batch batch = grouper.takeEnded();
    return publish(
        commit,
        batch,
        before,
        before.withBacklog(isEnd ? Checkpoint.BACKLOG_DONE : page.lastOrdinal(), batch.sequence()));
  }
}
