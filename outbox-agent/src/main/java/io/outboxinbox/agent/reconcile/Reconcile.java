package io.outboxinbox.agent.reconcile;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Lsn;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.lead.Leadership;
import io.outboxinbox.agent.lead.Pulse;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.route.Router;
import io.outboxinbox.agent.source.PublicationMark;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration.OnGap;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.slot.FirstStart;
import io.outboxinbox.agent.source.slot.LeftSlot;
import io.outboxinbox.agent.source.slot.PassedBound;
import io.outboxinbox.agent.source.slot.ServerState;
import io.outboxinbox.agent.source.slot.SlotState;
import io.outboxinbox.agent.source.table.Backlog;
import io.outboxinbox.agent.source.table.ReachedTopics;
import io.outboxinbox.agent.source.table.Reconciliations;
import io.outboxinbox.agent.source.table.Reconciliations.Cause;
import io.outboxinbox.agent.source.table.Reconciliations.Prepared;
import io.outboxinbox.agent.source.table.Reconciliations.Report;
import io.outboxinbox.agent.source.table.Reconciliations.Request;
import io.outboxinbox.agent.source.table.SourceRegistry;
import io.outboxinbox.agent.source.table.SourceRegistry.Registration;
import io.outboxinbox.agent.source.table.WholeChange;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Heals a gap: makes a new slot, writes down the rows it will not send, takes out those that are in
 * the topics already, and makes a checkpoint from which the rest is published before streaming goes
 * on. Nothing is published before that checkpoint is durable, so a crash anywhere before it only
 * means to do all of it again. Runs on the pipeline's thread, once earlier publishers are shut out.
 * See docs/decisions/0011.
 */
public final class Reconcile {
  private static final Logger LOG = LoggerFactory.getLogger(Reconcile.class);

  /**
   * What the leader has at hand.
   *
   * @param progress shown while it lasts
   * @param seen a gap this process saw while reading; null if none
   */
  public record Lead(
      PipelineConfiguration pipeline,
      Leadership leadership,
      Connection control,
      Publisher publisher,
      Router router,
      Pulse pulse,
      Consumer<String> progress,
      Clock clock,
      BooleanSupplier isStopping,
      AgentException.@Nullable Gap seen) {}

  private final Lead lead;
  private final SourceConfiguration source;
  private final SourceIdentity identity;
  private final SourceConnections connections;
  private final SourceRegistry registry;
  private final Reconciliations reconciliations;
  private final WholeChange change;

  public Reconcile(Lead lead) {
    this.lead = lead;
    this.source = lead.pipeline().source();
    this.identity = lead.leadership().source();
    this.connections = lead.leadership().connections();
    this.registry = new SourceRegistry(source);
    this.reconciliations = new Reconciliations(source);
    this.change = new WholeChange(source, connections);
  }

  /**
   * Decides whether a reconciliation is due.
   *
   * @param gap as this start found it; null when position and log fit together
   * @return why; empty when there is no gap and nobody has asked
   * @throws AgentException.Gap there is one, and an operator has to ask first
   * @throws AgentException.Fatal the same, though the configuration lets gaps be healed
   */
  public Optional<Cause> due(@Nullable Checkpoint found, AgentException.@Nullable Gap gap)
      throws SQLException {
    Optional<Request> request = reconciliations.request(lead.control(), identity.id());
    Optional<Report> last = reconciliations.last(lead.control(), identity.id());
    boolean isLastDurable =
        found != null
            && found.source().equals(identity)
            && last.isPresent()
            && last.get().number() == found.reconciliation();
    if (request.isPresent()
        && isLastDurable
        && request.get().at().equals(last.get().requestedAt())) {
      // Done, but it died before it could say so.
      settle(request.get());
      request = Optional.empty();
    }
    AgentException.@Nullable Gap seen = gap == null ? seenAt(found) : gap;
    String cause = seen == null ? "an operator asked for it" : String.valueOf(seen.getMessage());
    if (request.isPresent()) {
      return Optional.of(new Cause(cause, request.get()));
    }
    if (seen == null) {
      return Optional.empty();
    }
    if (last.isPresent() && last.get().isUnfinished() && !isLastDurable) {
      return Optional.of(new Cause(cause, asked(last.get())));
    }
    if (source.onGap() == OnGap.RECONCILE && mayBeByItself(found)) {
      return Optional.of(new Cause(cause, null));
    }
    throw source.onGap() == OnGap.RECONCILE ? seen.asFatal() : seen;
  }

  private static @Nullable Request asked(Report interrupted) {
    return interrupted.requestedAt() == null
        ? null
        : new Request(interrupted.requestedAt(), String.valueOf(interrupted.requestedBy()), null);
  }

  private AgentException.@Nullable Gap seenAt(@Nullable Checkpoint found) {
    AgentException.@Nullable Gap seen = lead.seen();
    if (seen == null || seen.seenAt() == null || found == null) {
      return null;
    }
    // Whatever was published since then has gone past it; what a start alone adds has not.
    return asRead(found).equals(asRead(seen.seenAt())) ? seen : null;
  }

  private static Checkpoint asRead(Checkpoint checkpoint) {
    return checkpoint.onTimeline(0).throughSlot("").withPublicationMark("");
  }

  /**
   * Not where tables came or went: an agent with the file of before, such as in a rolling deploy,
   * would give a table up.
   */
  private boolean mayBeByItself(@Nullable Checkpoint found) throws SQLException {
    return found == null
        ? isSameBroker()
        : !PublicationMark.hasOtherTables(
            found.publicationMark(), PublicationMark.of(lead.control(), source));
  }

  /** A wrong bootstrapServers looks like a lost position; only an operator can tell them apart. */
  private boolean isSameBroker() throws SQLException {
    @Nullable String known = registration().broker();
    return known != null && lead.publisher().cluster().filter(known::equals).isPresent();
  }

  /** Notes where events may go from now on; a later search must know. */
  public void noteTopics() throws SQLException {
    new ReachedTopics(source)
        .note(lead.leadership().connection(), identity.id(), lead.router().allowedTopics());
  }

  /**
   * Reconciles.
   *
   * @param base last durable checkpoint, perhaps of the cluster this database was before; null when
   *     it is lost
   * @return the durable checkpoint to go on from
   */
  public Checkpoint run(Cause cause, @Nullable Checkpoint base)
      throws SQLException, InterruptedException {
    ServerState server = ServerState.of(lead.control());
    // Before the slot: what is altered from now on, the next look sees.
    String mark = PublicationMark.of(lead.control(), source);
    PassedBound bound = PassedBound.of(lead.control(), connections, source, server, base);
    // On another cluster a slot of the same name is another slot.
    Optional<Checkpoint> position =
        Optional.ofNullable(base).filter(at -> at.source().equals(identity));
    Optional<String> own = registration().ownSlot(position.orElse(null));
    boolean hasSlot = SlotState.of(lead.control(), source.slot()).isPresent();
    refuseUnhealable(hasSlot, own, bound);
    long epoch = epoch(base, server);
    CarryOver carryOver = new CarryOver(lead, cause.request(), base);
    carryOver.prepare(change);
    long number = begin(cause, carryOver);
    // On the leader's own connection: whoever has been replaced meanwhile has lost that one.
    Connection leader = lead.leadership().connection();
    registry.beginSeededEpoch(leader, identity.id(), epoch);
    LOG.warn("reconciliation {} of source {} begins: {}", number, identity.id(), cause.text());
    lead.progress().accept("reconciliation " + number + ": making a slot");
    SourceRegistry.Turn turn = new SourceRegistry.Turn(epoch, number);
    FirstStart.Seed seed = newSlot(leader, turn, bound, hasSlot, own);
    Backlog.Filled filled = seed.filled();
    LOG.info(
        "reconciliation {}: {} rows in table {}, {} of them may not have been published, {} are"
            + " parked",
        number,
        filled.rowsInTable(),
        source.tableNames(),
        filled.candidates(),
        filled.parked());
    PublishedRows.Outcome published =
        new PublishedRows(lead, number, bound).takeOut(filled, seed.position());
    Checkpoint checkpoint =
        checkpoint(base, turn, bound, seed, published.remaining())
            .withParking(carryOver.parking())
            .withPublicationMark(mark);
    notePrepared(number, bound, filled, published, checkpoint);
    makeDurable(checkpoint, cause);
    LeftSlot.warn(lead.control(), position, own, source.slot());
    LOG.info(
        "reconciliation {}: {} of {} candidates are in the topics, {} will be published; epoch {}"
            + " from sequence {}; log from {}",
        number,
        published.found(),
        filled.candidates(),
        published.remaining(),
        checkpoint.epoch(),
        checkpoint.sequence(),
        Lsn.format(checkpoint.position().commitLsn()));
    return checkpoint;
  }

  private void notePrepared(
      long number,
      PassedBound bound,
      Backlog.Filled filled,
      PublishedRows.Outcome published,
      Checkpoint checkpoint)
      throws SQLException {
    reconciliations.prepared(
        lead.control(),
        identity.id(),
        number,
        new Prepared(
            bound.endedXid(),
            filled,
            published.searchedFrom(),
            published.read(),
            published.found(),
            checkpoint.sequence(),
            published.phantoms(),
            published.possibleRepeats(),
            published.notes()));
  }

  private void refuseUnhealable(boolean hasSlot, Optional<String> own, PassedBound bound)
      throws SQLException {
    try (Connection patient = connections.open("reconcile", 0)) {
      new Unhealable(source, identity).refuse(patient, hasSlot, own, bound);
    }
  }

  private long epoch(@Nullable Checkpoint base, ServerState server) throws SQLException {
    Registration known = registration();
    // A new id under which somebody has begun before: to consumers a lower epoch would be a repeat.
    boolean isBehind =
        base != null && !base.source().equals(identity) && base.epoch() < known.epoch();
    // Set back with the server that keeps it, or copied with another's, the position says nothing
    // of the numbers after it.
    boolean isSetBack =
        base != null
            && lead.pipeline().needsPositions()
            && (base.timeline() != server.timeline() || !base.source().equals(identity));
    return base == null || isBehind || isSetBack
        ? known.nextEpoch(lead.clock().instant())
        : base.epoch();
  }

  /**
   * Together with what is carried over: the report is the only place that tells of it.
   *
   * @return number of the report
   */
  private long begin(Cause cause, CarryOver carryOver) throws SQLException {
    return change.make(
        "carrying over what is parked",
        carryOver.sources(),
        connection -> {
          @Nullable String carried = carryOver.run(connection).orElse(null);
          return reconciliations.begin(connection, identity.id(), cause, carried);
        });
  }

  private FirstStart.Seed newSlot(
      Connection leader,
      SourceRegistry.Turn turn,
      PassedBound bound,
      boolean hasSlot,
      Optional<String> own)
      throws SQLException {
    FirstStart firstStart = new FirstStart(source, connections);
    if (hasSlot) {
      firstStart.dropSlot(leader);
    }
    return firstStart.createSlot(identity.id(), turn, bound::candidates, own);
  }

  private Checkpoint checkpoint(
      @Nullable Checkpoint base,
      SourceRegistry.Turn turn,
      PassedBound bound,
      FirstStart.Seed seed,
      long remaining)
      throws SQLException {
    return new Checkpoint(
        identity,
        lead.pipeline().name(),
        ServerState.of(lead.control()).timeline(),
        source.slot(),
        PublicationMark.NONE,
        turn.epoch(),
        base == null ? 0 : lastNumber(base),
        remaining == 0 ? Checkpoint.BACKLOG_DONE : 0,
        seed.position(),
        Checkpoint.Parking.NONE,
        // A second gap must take no older row of a new table for passed.
        bound.endedXidOfAll(source.outboxes()),
        turn.reconciliation(),
        remaining == 0 ? 0 : new Backlog(source).end(lead.control(), identity.id()));
  }

  /**
   * Where a crash can repeat events, those behind the checkpoint may have been published, and the
   * log will not bring them again to tell their numbers: nobody else gets them.
   */
  private long lastNumber(Checkpoint base) {
    PipelineConfiguration.BatchConfiguration batch = lead.pipeline().batch();
    return base.sequence()
        + (lead.publisher().mayRepeat() ? batch.maxEvents() + batch.atomicEvents() : 0);
  }

  private void makeDurable(Checkpoint checkpoint, Cause cause) throws SQLException {
    lead.publisher().write(checkpoint);
    registry.markSeeded(lead.control(), identity.id(), lead.publisher().cluster().orElse(null));
    if (cause.request() != null) {
      settle(cause.request());
    }
  }

  /** The position of the cluster before is of no use any more, and would be named as another's. */
  private void settle(Request done) throws SQLException {
    done.former(identity).ifPresent(lead.publisher()::forget);
    reconciliations.clear(lead.control(), identity.id(), done);
  }

  /** To be called when a backlog is done; says what the reconciliation it came from has done. */
  public void finish(Checkpoint checkpoint) throws SQLException {
    if (checkpoint.reconciliation() == 0) {
      return;
    }
    reconciliations
        .finish(lead.control(), identity.id(), checkpoint.reconciliation(), checkpoint.sequence())
        .ifPresent(
            report ->
                LOG.info(
                    "reconciliation {} is done: {} events published, {} were in the topics, {}"
                        + " published events have no row any more{}{}",
                    report.number(),
                    report.published(),
                    report.foundInTopics(),
                    report.phantoms(),
                    report.possibleRepeats() == null
                        ? ""
                        : "; repeats are possible: " + report.possibleRepeats(),
                    report.notes() == null ? "" : "; " + report.notes()));
  }

  private Registration registration() throws SQLException {
    return registry
        .find(lead.control(), identity.id())
        .orElseThrow(() -> new AgentException.Retryable("the leader's row disappeared", null));
  }
}
