package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.capture.Backlog;
import io.outboxinbox.agent.capture.FirstStart;
import io.outboxinbox.agent.capture.SlotState;
import io.outboxinbox.agent.capture.SourceConfiguration;
import io.outboxinbox.agent.capture.SourceConfiguration.ExistingRows;
import io.outboxinbox.agent.capture.SourceConnections;
import io.outboxinbox.agent.capture.SourcePreflight;
import io.outboxinbox.agent.capture.SourceRegistry;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Lsn;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.park.ParkedQueue;
import io.outboxinbox.agent.park.ParkedTable;
import io.outboxinbox.agent.publish.Publisher;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
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
  private static final String RESET =
      "if consumers can stand repeats of rows still in the table (same ids), run 'outbox-agent"
          + " reset' for this pipeline; it starts a new epoch";

  private final PipelineConfiguration pipeline;
  private final SourceConfiguration source;
  private final Leadership leadership;
  private final SourceIdentity identity;
  private final Connection control;
  private final Publisher publisher;
  private final SourceRegistry registry;
  private final Clock clock;

  SessionStart(
      PipelineConfiguration pipeline,
      Leadership leadership,
      Connection control,
      Publisher publisher,
      Clock clock) {
    this.pipeline = pipeline;
    this.source = pipeline.source();
    this.leadership = leadership;
    this.identity = leadership.source();
    this.control = control;
    this.publisher = publisher;
    this.registry = new SourceRegistry(source);
    this.clock = clock;
  }

  /**
   * Shuts earlier publishers out and finds the checkpoint to go on from.
   *
   * @param fixedTopics topics known before any event is
   * @throws AgentException as the findings say
   */
  Checkpoint run(List<String> fixedTopics) throws SQLException, InterruptedException {
    // Before the broker is asked, which may be slow or away, and before a leader that could publish
    // is shut out. What changes from here on, the comparison with the checkpoint and the watch see.
    Findings.require(SourcePreflight.check(control, source));
    Optional<Checkpoint> found = publisher.takeOver(identity);
    leadership.ensureHeld();
    Findings.require(pipeline.publish().preflight(fixedTopics));
    freeSlot();
    Checkpoint checkpoint = publisher.keepsCheckpoint() ? fromBroker(found) : fromSlot();
    verifySlot(checkpoint);
    return checkpoint;
  }

  /**
   * Compares slot and position. To be called again once streaming has begun: a slot dropped in
   * between would have been created anew by Debezium, without what lies behind it.
   */
  void verifySlot(Checkpoint checkpoint) throws SQLException {
    Findings.require(
        SourcePreflight.checkSlot(
            source,
            SourcePreflight.slot(control, source.slot()),
            SourcePreflight.server(control),
            checkpoint));
  }

  private void freeSlot() throws SQLException, InterruptedException {
    long deadline = System.nanoTime() + SLOT_FREE_WITHIN.toNanos();
    Optional<Integer> ended = leadership.freeSlot(source.slot());
    while (ended.isPresent()) {
      LOG.info("ended walsender {} that still held slot {}", ended.get(), source.slot());
      if (System.nanoTime() - deadline > 0) {
        throw new AgentException.Retryable(
            "slot " + source.slot() + " is still in use by process " + ended.get(), null);
      }
      Thread.sleep(50);
      ended = leadership.freeSlot(source.slot());
    }
  }

  private Checkpoint fromBroker(Optional<Checkpoint> found) throws SQLException {
    if (found.isEmpty()) {
      return firstStart();
    }
    Checkpoint checkpoint = found.get();
    registry.markSeeded(control, identity.id());
    String mark = SourcePreflight.publicationMark(control, source);
    if (!mark.equals(checkpoint.publicationMark())) {
      Findings.require(List.of(publicationEdited(source, checkpoint.publicationMark(), mark)));
    }
    return checkpoint;
  }

  static Finding publicationEdited(SourceConfiguration source, String before, String now) {
    return Finding.fatal(
        "publication "
            + source.publication()
            + " was altered or created again, or table "
            + source.table()
            + " was taken out and put back, since the last position (mark "
            + before
            + ", now "
            + now
            + "); rows written in between are in no stream",
        RESET);
  }

  private Checkpoint firstStart() throws SQLException {
    refuseRebuiltCluster();
    SourceRegistry.Registration registration = registration();
    if (registration.isSeeded()) {
      throw new AgentException.Fatal(
          "source "
              + identity.id()
              + " has published before (epoch "
              + registration.epoch()
              + "), but the broker has no checkpoint of it: another cluster is configured, or the"
              + " position topic was lost",
          "point publish at the right cluster; otherwise: " + RESET);
    }
    Optional<SlotState> slot = SourcePreflight.slot(control, source.slot());
    boolean isOurs = registration.epoch() > 0;
    if (slot.isPresent() && source.existingRows() == ExistingRows.PUBLISH && !isOurs) {
      throw new AgentException.Misconfigured(
          "slot " + source.slot() + " exists already, so its snapshot of existing rows is gone",
          "SELECT pg_drop_replication_slot('"
              + source.slot()
              + "'); so that the agent creates it, or set source.existingRows to skip to start"
              + " where the slot stands");
    }
    long epoch = registration.nextEpoch(clock.instant());
    registry.beginEpoch(control, identity.id(), epoch);
    FirstStart.Seed seed = seed(slot, epoch);
    Checkpoint checkpoint = seedCheckpoint(epoch, seed);
    // Without a durable seed, a crash in the very first batch could not be resumed exactly.
    if (publisher.keepsCheckpoint()) {
      publisher.publishBatch(List.of(), checkpoint);
    }
    registry.markSeeded(control, identity.id());
    LOG.info(
        "first start of source {}: epoch {}, slot {} from {}, {} older rows to publish",
        identity.id(),
        epoch,
        source.slot(),
        Lsn.format(seed.position().commitLsn()),
        seed.backlogRows());
    return checkpoint;
  }

  private FirstStart.Seed seed(Optional<SlotState> slot, long epoch) throws SQLException {
    FirstStart firstStart = new FirstStart(source, new SourceConnections(source));
    if (slot.isPresent()) {
      if (source.existingRows() == ExistingRows.SKIP) {
        return new FirstStart.Seed(SourcePosition.atCommit(slot.get().confirmedFlushLsn()), 0);
      }
      // A first start that did not get as far as its seed: nothing was published from this slot.
      // On the leader's own connection: whoever has been replaced meanwhile has lost that one.
      firstStart.dropSlot(leadership.connection());
    }
    return firstStart.createSlot(identity.id(), epoch);
  }

  private void refuseRebuiltCluster() {
    for (Checkpoint other : publisher.allCheckpoints()) {
      if (isOfRebuiltCluster(other, pipeline, identity)) {
        throw new AgentException.Fatal(
            "pipeline "
                + pipeline.name()
                + " published from cluster "
                + other.source().systemId()
                + ", but now finds cluster "
                + identity.systemId()
                + ": the database was rebuilt or migrated, and its log cannot be compared",
            "if this is another database, give its pipeline a name of its own; otherwise: "
                + RESET);
      }
    }
  }

  /** Whether a checkpoint was written by this pipeline for a cluster that is gone. */
  static boolean isOfRebuiltCluster(
      Checkpoint other, PipelineConfiguration pipeline, SourceIdentity identity) {
    return other.pipeline().equals(pipeline.name())
        && other.source().database().equals(identity.database())
        && other.source().publication().equals(identity.publication())
        && !other.source().systemId().equals(identity.systemId());
  }

  private SourceRegistry.Registration registration() throws SQLException {
    return registry
        .find(control, identity.id())
        .orElseThrow(() -> new AgentException.Retryable("the leader's row disappeared", null));
  }

  /** For brokers that keep no checkpoint: the slot's own confirmed position is the memory. */
  private Checkpoint fromSlot() throws SQLException {
    SourceRegistry.Registration registration = registration();
    Optional<SlotState> slot = SourcePreflight.slot(control, source.slot());
    if (!registration.isSeeded()) {
      return firstStart();
    }
    if (slot.isEmpty()) {
      throw new AgentException.Fatal(
          "slot " + source.slot() + " is gone, and with it the position", RESET);
    }
    // The count cannot go on exactly, so it starts again in a new epoch.
    long epoch = registration.nextEpoch(clock.instant());
    registry.beginSeededEpoch(control, identity.id(), epoch);
    boolean hasBacklog = new Backlog(source).exists(control, identity.id());
    SourcePosition position = SourcePosition.atCommit(slot.get().confirmedFlushLsn());
    return seedCheckpoint(epoch, new FirstStart.Seed(position, hasBacklog ? 1 : 0));
  }

  private Checkpoint seedCheckpoint(long epoch, FirstStart.Seed seed) throws SQLException {
    // Parked events outlive an epoch. Which of the batches under way was published is not known any
    // more; they come again, as everything may that begins anew.
    new ParkedQueue(source.schema(), identity.id()).putBack(leadership.connection(), 0);
    Checkpoint.Parking parked = new ParkedTable(source.schema(), identity.id()).extent(control);
    return new Checkpoint(
            identity,
            pipeline.name(),
            SourcePreflight.server(control).timeline(),
            source.slot(),
            SourcePreflight.publicationMark(control, source),
            epoch,
            0,
            seed.backlogRows() == 0 ? Checkpoint.BACKLOG_DONE : 0,
            seed.position())
        .withParking(parked);
  }
}
