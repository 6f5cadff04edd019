package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Lsn;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.lead.Leadership;
import io.outboxinbox.agent.park.ParkingCarryOver;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.reconcile.OtherBroker;
import io.outboxinbox.agent.reconcile.Reconcile;
import io.outboxinbox.agent.source.Durability;
import io.outboxinbox.agent.source.PublicationMark;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.inspect.Findings;
import io.outboxinbox.agent.source.inspect.MissingPosition;
import io.outboxinbox.agent.source.inspect.SourcePreflight;
import io.outboxinbox.agent.source.slot.FirstStart;
import io.outboxinbox.agent.source.slot.LeftSlot;
import io.outboxinbox.agent.source.slot.ServerState;
import io.outboxinbox.agent.source.slot.SlotState;
import io.outboxinbox.agent.source.table.Backlog;
import io.outboxinbox.agent.source.table.Reconciliations;
import io.outboxinbox.agent.source.table.SourceRegistry;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The steps between becoming the leader and reading the log. Their order is what exactly-once rests
 * on: earlier publishers are shut out before the position is read, and the position is compared
 * with slot, server and publication before anything is read from it.
 */
final class SessionStart {
  private static final Logger LOG = LoggerFactory.getLogger(SessionStart.class);
  private static final Duration SLOT_FREE_WITHIN = Duration.ofSeconds(10);

  private final Reconcile.Lead lead;
  private final SourceConfiguration source;
  private final Leadership leadership;
  private final SourceIdentity identity;
  private final Connection control;
  private final Publisher publisher;
  private final Runnable onLetIn;
  private final SourceRegistry registry;
  private final Findings findings;

  SessionStart(Reconcile.Lead lead, Findings findings, Runnable onLetIn) {
    this.lead = lead;
    this.findings = findings;
    this.source = lead.pipeline().source();
    this.leadership = lead.leadership();
    this.identity = leadership.source();
    this.control = lead.control();
    this.publisher = lead.publisher();
    this.onLetIn = onLetIn;
    this.registry = new SourceRegistry(source);
  }

  /**
   * Shuts earlier publishers out and finds the checkpoint to go on from.
   *
   * @param fixedTopics topics known before any event is
   * @throws AgentException as the findings say
   */
  Checkpoint run(List<String> fixedTopics, Reconcile reconcile, StepTimes times)
      throws SQLException, InterruptedException {
    // Before the broker is asked, which may be slow or away, and before a leader that could publish
    // is shut out. What changes from here on, the comparison with the checkpoint and the watch see.
    findings.require(SourcePreflight.check(control, source, lead.pipeline().needsPositions()));
    times.done("look at source");
    Optional<Checkpoint> found = publisher.takeOver(identity);
    times.done("shut out and read position");
    leadership.ensureHeld();
    Optional<Finding> otherBroker =
        OtherBroker.of(lead.pipeline(), control, publisher, identity.id());
    if (otherBroker.isPresent()) {
      found = Optional.empty();
    }
    onLetIn.run();
    reconcile.noteTopics();
    findings.require(lead.pipeline().publish().preflight(fixedTopics));
    times.done("look at broker");
    freeSlot(found);
    times.done("free slot");
    return from(found.orElse(null), reconcile);
  }

  private Checkpoint from(@Nullable Checkpoint found, Reconcile reconcile)
      throws SQLException, InterruptedException {
    if (found == null) {
      @Nullable Checkpoint accepted = ofAcceptedCluster();
      if (accepted != null) {
        // What its agent has published until it was shut out counts too.
        Checkpoint last = publisher.takeOver(accepted.source()).orElse(accepted);
        publisher.takeOver(identity);
        return reconcile.run(reconcile.due(last, null).orElseThrow(() -> takenBack(last)), last);
      }
    }
    AgentException.@Nullable Gap gap = gap(found == null ? missing() : compared(found));
    // Also where nothing is known of the source: who asks that the topics be searched first means
    // it.
    Optional<Reconciliations.Cause> due = reconcile.due(found, gap);
    if (due.isPresent()) {
      if (found == null && gap == null) {
        refuseUnknown(due.get().request());
      }
      return reconcile.run(due.get(), found);
    }
    if (found == null) {
      Checkpoint first = firstStart();
      verifySlot(first);
      return first;
    }
    registry.markSeeded(control, identity.id(), publisher.cluster().orElse(null));
    LeftSlot.warn(control, Optional.of(found), Optional.empty(), source.slot());
    String mark = PublicationMark.of(control, source);
    return onTimeline(found, ServerState.of(control).timeline())
        .throughSlot(source.slot())
        .withPublicationMark(PublicationMark.completed(found.publicationMark(), mark));
  }

  private static AgentException takenBack(Checkpoint accepted) {
    return new AgentException.Retryable(
        "the request to go on from the position of %s was taken back meanwhile"
            .formatted(accepted.source().id()));
  }

  /**
   * A promoted or restored server may have lost the last positions together with the events they
   * covered, if it keeps them: their numbers are given to others now, so another epoch begins.
   */
  private Checkpoint onTimeline(Checkpoint checkpoint, int timeline) throws SQLException {
    Checkpoint moved = checkpoint.onTimeline(timeline);
    if (!lead.pipeline().needsPositions() || checkpoint.timeline() == timeline) {
      return moved;
    }
    long epoch = Math.max(registration().nextEpoch(lead.clock().instant()), checkpoint.epoch() + 1);
    registry.beginSeededEpoch(leadership.connection(), identity.id(), epoch);
    Checkpoint begun = moved.inEpoch(epoch);
    publisher.write(begun);
    return begun;
  }

  private void refuseUnknown(Reconciliations.@Nullable Request request) {
    Optional<SourceIdentity> former =
        Optional.ofNullable(request).flatMap(asked -> asked.former(identity));
    if (former.isPresent()) {
      throw new AgentException.Misconfigured(
          "%s asked to go on from the position of %s, but the broker has none of that name"
              .formatted(Objects.requireNonNull(request).by(), former.get().id()),
          "ask again with the system identifier that was meant; where database or publication have other names now, or the position is lost, ask without --accept-cluster: then the topics are searched for every row");
    }
  }

  private List<Finding> missing() throws SQLException {
    Optional<Finding> otherBroker =
        OtherBroker.of(lead.pipeline(), control, publisher, identity.id());
    return otherBroker.isPresent()
        ? List.of(otherBroker.get())
        : new MissingPosition(source, lead.pipeline().name(), identity, publisher.allCheckpoints())
            .explain(control);
  }

  private List<Finding> compared(Checkpoint found) throws SQLException {
    return SourcePreflight.checkPosition(
        control, source, SlotState.of(control, source.slot()), ServerState.of(control), found);
  }

  /** Null when nothing is missing. */
  private AgentException.@Nullable Gap gap(List<Finding> found) {
    try {
      findings.require(found);
      return null;
    } catch (AgentException.Gap gap) {
      return gap;
    }
  }

  /**
   * Compares slot and position. To be called again once streaming has begun: a slot dropped in
   * between would have been created anew by Debezium, without what lies behind it.
   */
  void verifySlot(Checkpoint checkpoint) throws SQLException {
    findings.require(
        SourcePreflight.checkSlot(control, new SourceConnections(source), source, checkpoint));
  }

  private void freeSlot(Optional<Checkpoint> found) throws SQLException, InterruptedException {
    SourceRegistry.Registration registration = registration();
    Optional<SlotState> slot = SlotState.of(control, source.slot());
    boolean isOwn = registration.owns(source.slot(), found.orElse(null));
    // A walsender of ours has confirmed nothing beyond the position, and there is none before.
    boolean hasRead = found.isPresent() || registration.isSeeded();
    boolean isReadByOthers =
        !hasRead || (slot.isPresent() && found.filter(slot.get()::isBeyond).isPresent());
    if (!isOwn || isReadByOthers) {
      if (slot.isPresent() && slot.get().active()) {
        refuseSlotInUse(slot.get(), isOwn, found);
      }
      return;
    }
    long deadline = System.nanoTime() + SLOT_FREE_WITHIN.toNanos();
    Optional<Integer> ended = leadership.freeSlot(source.slot());
    while (ended.isPresent()) {
      LOG.info("ended walsender {} that still held slot {}", ended.get(), source.slot());
      if (System.nanoTime() - deadline > 0) {
        throw new AgentException.Retryable(
            "slot " + source.slot() + " is still in use by process " + ended.get());
      }
      Thread.sleep(50);
      ended = leadership.freeSlot(source.slot());
    }
  }

  private void refuseSlotInUse(SlotState slot, boolean isOwn, Optional<Checkpoint> found)
      throws SQLException {
    // Else it may be a leader's before us, and the position was set back.
    if (isOwn && !slot.isReadByThisRole(control)) {
      // Also while its reader is away for a moment it is theirs.
      registry.noteSlot(control, identity.id(), "");
    }
    throw new AgentException.Misconfigured(
        "slot %s is being read by process %d, and not for pipeline %s: it may be somebody else's"
            .formatted(source.slot(), slot.activePid(), lead.pipeline().name()),
        found
                .map(Checkpoint::slot)
                .filter(before -> !before.equals(source.slot()))
                .map("set source.slot to %s, or to"::formatted)
                .orElse("set source.slot to")
            + " a name that no other slot of the server has; or, to take this slot over, stop whoever reads it, and do what the next message says");
  }

  private Checkpoint firstStart() throws SQLException {
    SourceRegistry.Registration registration = registration();
    Optional<SlotState> slot = SlotState.of(control, source.slot());
    boolean isOurs = registration.owns(source.slot(), null);
    findings.require(SourcePreflight.checkFirstStart(control, source, identity.id(), slot));
    long epoch = registration.nextEpoch(lead.clock().instant());
    Durability.await(leadership.connections());
    // One that is taken over is its own once a position is.
    registry.beginEpoch(
        control, identity.id(), epoch, slot.isPresent() && !isOurs ? null : source.slot());
    FirstStart.Seed seed =
        seed(
            slot,
            new SourceRegistry.Turn(epoch, registration.reconciliation()),
            registration.ownSlot(null));
    Checkpoint checkpoint = seedCheckpoint(epoch, seed.position(), seed.filled().candidates() > 0);
    // Without a durable seed, a crash in the very first batch could not be resumed exactly.
    publisher.write(checkpoint);
    registry.markSeeded(control, identity.id(), publisher.cluster().orElse(null));
    LeftSlot.warn(control, Optional.empty(), registration.ownSlot(null), source.slot());
    LOG.info(
        "first start of source {}: epoch {}, slot {} from {}, {} older rows to publish",
        identity.id(),
        epoch,
        source.slot(),
        Lsn.format(seed.position().commitLsn()),
        seed.filled().candidates());
    return checkpoint;
  }

  private FirstStart.Seed seed(
      Optional<SlotState> slot, SourceRegistry.Turn turn, Optional<String> own)
      throws SQLException {
    FirstStart firstStart = new FirstStart(source, leadership.connections());
    if (slot.isPresent()) {
      if (source.skipsExistingRows()) {
        return new FirstStart.Seed(
            SourcePosition.atCommit(slot.get().confirmedFlushLsn()), Backlog.Filled.NOTHING);
      }
      // A first start that did not get as far as its seed: nothing was published from this slot.
      // On the leader's own connection: whoever has been replaced meanwhile has lost that one.
      firstStart.dropSlot(leadership.connection());
    }
    return firstStart.createSlot(identity.id(), turn, own);
  }

  /**
   * The checkpoint of the cluster this database was before, if an operator has accepted that:
   * whatever the pipeline was called there.
   */
  private @Nullable Checkpoint ofAcceptedCluster() throws SQLException {
    Optional<SourceIdentity> former =
        new Reconciliations(source)
            .request(control, identity.id())
            .flatMap(request -> request.former(identity));
    return former.isEmpty()
        ? null
        : publisher.allCheckpoints().stream()
            .filter(other -> other.source().equals(former.get()))
            .findFirst()
            .orElse(null);
  }

  private SourceRegistry.Registration registration() throws SQLException {
    return registry
        .find(control, identity.id())
        .orElseThrow(() -> new AgentException.Retryable("the leader's row disappeared"));
  }

  private Checkpoint seedCheckpoint(long epoch, SourcePosition position, boolean hasBacklog)
      throws SQLException {
    return new Checkpoint(
        identity,
        lead.pipeline().name(),
        ServerState.of(control).timeline(),
        source.slot(),
        PublicationMark.of(control, source),
        epoch,
        0,
        hasBacklog ? 0 : Checkpoint.BACKLOG_DONE,
        position,
        new ParkingCarryOver(leadership.connection(), source, identity.id()).adopt(),
        0,
        0,
        hasBacklog ? new Backlog(source).end(control, identity.id()) : 0);
  }
}
