package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.acknowledge.Acknowledger;
import io.outboxinbox.agent.capture.Backlog;
import io.outboxinbox.agent.capture.LogReader;
import io.outboxinbox.agent.capture.SourceConnections;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Receipt;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.route.Router;
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

  private final PipelineConfiguration pipeline;
  private final Router router;
  private final Leadership leadership;
  private final Pulse pulse;
  private final PipelineMonitor monitor;
  private final Clock clock;
  private final BooleanSupplier isStopping;
  private final AgentException.@Nullable Gap seen;

  LeadingSession(
      PipelineConfiguration pipeline,
      Leadership leadership,
      Pulse pulse,
      PipelineMonitor monitor,
      Clock clock,
      BooleanSupplier isStopping,
      AgentException.@Nullable Gap seen) {
    this.pipeline = pipeline;
    this.router =
        new Router(pipeline.route(), pipeline.name(), pipeline.publish().reservedTopics());
    this.leadership = leadership;
    this.pulse = pulse;
    this.monitor = monitor;
    this.clock = clock;
    this.isStopping = isStopping;
    this.seen = seen;
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
      Reconcile reconcile =
          new Reconcile(
              new Reconcile.Lead(
                  pipeline,
                  leadership,
                  control,
                  publisher,
                  router,
                  pulse,
                  monitor,
                  clock,
                  isStopping,
                  seen));
      Checkpoint checkpoint = start.run(router.fixedTopics(), reconcile);
      LOG.info(
          "leading source {} from sequence {} of epoch {}",
          leadership.source().id(),
          checkpoint.sequence(),
          checkpoint.epoch());
      monitor.published(0, checkpoint);
      monitor.enter(State.LEADING, "");
      checkpoint = publishBacklog(publisher, control, checkpoint);
      if (checkpoint.isBacklogDone()) {
        reconcile.finish(checkpoint);
      }
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
        stream(publisher, reader, watch, checkpoint);
      } catch (AgentException.Gap gap) {
        // Only reading shows this one, so the next start has to be told.
        throw gap.at(checkpoint);
      }
    }
  }

  private void stream(Publisher publisher, LogReader reader, SourceWatch watch, Checkpoint from)
      throws SQLException, InterruptedException {
    TransactionGrouper grouper = grouper(publisher, from);
    EndedTransactions ended = new EndedTransactions(from.publicationMark());
    Acknowledger acknowledger = new Acknowledger(reader);
    Checkpoint durable = from;
    long durableNanos = System.nanoTime();
    while (!isStopping.getAsBoolean()) {
      pulse.ensureAlive();
      watch.ensureSound(pulse, reader.sinceActivity());
      for (Captured captured : reader.poll()) {
        take(captured, grouper);
        note(captured, ended);
      }
      TransactionGrouper.Batch batch = grouper.takeEnded();
      boolean hasMoved = !batch.position().equals(durable.position());
      boolean isDue = System.nanoTime() - durableNanos > POSITION_INTERVAL.toNanos();
      if (!batch.events().isEmpty() || (hasMoved && isDue)) {
        Checkpoint after = ended.addTo(durable.advancedTo(batch.position(), batch.sequence()));
        durable = publish(publisher, acknowledger, batch, after);
        durableNanos = System.nanoTime();
      }
      grouper.throwIfRejected();
    }
  }

  private TransactionGrouper grouper(Publisher publisher, Checkpoint from) {
    return new TransactionGrouper(pipeline.batch(), event -> route(publisher, event), from);
  }

  private RoutedEvent route(Publisher publisher, SequencedEvent event) {
    RoutedEvent routed = router.route(event);
    publisher.check(routed);
    return routed;
  }

  private RoutedEvent routeBacklog(Publisher publisher, SequencedEvent event, Checkpoint from) {
    if (from.reconciliation() == 0) {
      return route(publisher, event);
    }
    RoutedEvent routed = Router.reconciled(router.route(event), from.reconciliation());
    publisher.check(routed);
    return routed;
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

  private static void note(Captured captured, EndedTransactions ended) {
    if (captured instanceof Captured.Pulse returned) {
      ended.pulse(returned);
    } else if (captured instanceof Captured.TransactionEnd end) {
      ended.end(end.position());
    }
  }

  private Checkpoint publish(
      Publisher publisher,
      Acknowledger acknowledger,
      TransactionGrouper.Batch batch,
      Checkpoint after) {
    List<Receipt> receipts =
        publisher.keepsCheckpoint() || !batch.events().isEmpty()
            ? publisher.publishBatch(batch.events(), after)
            : List.of();
    acknowledger.acknowledge(batch.events(), batch.position(), receipts);
    requireAll(receipts, batch);
    monitor.published(batch.events().size(), after);
    return after;
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
  private Checkpoint publishBacklog(Publisher publisher, Connection control, Checkpoint from)
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
              new Backlog.Limit(pipeline.batch().maxEvents(), pipeline.batch().atomicBytes()),
              checkpoint.position());
      checkpoint = publishPage(publisher, page, checkpoint);
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

  private Checkpoint publishPage(Publisher publisher, Backlog.Page page, Checkpoint before) {
    boolean isEnd = page.lastOrdinal() == before.backlogOrdinal();
    TransactionGrouper grouper =
        new TransactionGrouper(
            pipeline.batch(), event -> routeBacklog(publisher, event, before), before);
    for (Captured row : page.rows()) {
      take(row, grouper);
    }
    grouper.endBacklogPage();
    grouper.throwIfRejected();
    TransactionGrouper.Batch batch = grouper.takeEnded();
    Checkpoint after =
        before.withBacklog(isEnd ? Checkpoint.BACKLOG_DONE : page.lastOrdinal(), batch.sequence());
    requireAll(publisher.publishBatch(batch.events(), after), batch);
    monitor.published(batch.events().size(), after);
    return after;
  }
}
