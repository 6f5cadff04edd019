package io.outboxinbox.agent.operate;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.lead.Leadership;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.source.ServerMessage;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.slot.FirstStart;
import io.outboxinbox.agent.source.slot.LeftSlot;
import io.outboxinbox.agent.source.slot.SlotState;
import io.outboxinbox.agent.source.table.Backlog;
import io.outboxinbox.agent.source.table.Reconciliations;
import io.outboxinbox.agent.source.table.SourceRegistry;
import io.outboxinbox.agent.source.table.TablePositions;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The operator's way out when log and position no longer fit together: forgets slot, position and
 * backlog, so that the pipeline's next start is a first start in a new epoch.
 */
public final class SourceReset {
  private static final Logger LOG = LoggerFactory.getLogger(SourceReset.class);

  /** Milliseconds as a rule; the rest is a guess for a busy server. */
  private static final Duration ENDS_WITHIN = Duration.ofSeconds(5);

  private static final long LOOK_EVERY_MILLIS = 50;

  private final PipelineConfiguration pipeline;
  private final String holder;

  public SourceReset(PipelineConfiguration pipeline, String holder) {
    this.pipeline = pipeline;
    this.holder = holder;
  }

  /**
   * Resets the source; every agent of it must be stopped. Waits some seconds for the session of one
   * that has only just ended.
   *
   * @return the source's id
   * @throws AgentException.Misconfigured an agent still leads the source
   * @throws AgentException.Retryable database or broker is away or refuses; nothing is lost by
   *     doing it again
   */
  public String run() throws InterruptedException {
    try (Leadership leadership = Leadership.connect(pipeline, holder);
        Publisher publisher =
            pipeline
                .publish()
                .newPublisher(new TablePositions(leadership.connection(), pipeline.source()))) {
      String source = leadership.source().id();
      if (!leadership.tryAcquire(ENDS_WITHIN)) {
        String rivals = leadership.rivals();
        throw new AgentException.Misconfigured(
            "an agent leads source %s: its lock is held by %s"
                .formatted(source, rivals.isEmpty() ? "a session that has just ended" : rivals),
            "stop every agent of this source first; a session that is no agent can be ended with pg_terminate_backend");
      }
      reset(leadership, publisher);
      return source;
    } catch (SQLException e) {
      throw new AgentException.Retryable(
          "database %s: %s"
              .formatted(pipeline.source().database(), ServerMessage.of(e, pipeline.source())),
          e);
    }
  }

  private void reset(Leadership leadership, Publisher publisher)
      throws SQLException, InterruptedException {
    SourceConnections connections = leadership.connections();
    try (Connection control = connections.open("reset", 30)) {
      String source = leadership.source().id();
      Optional<Checkpoint> found = shutOthersOut(publisher, leadership.source());
      SourceConfiguration named = leadership.pipeline().source();
      SourceRegistry registry = new SourceRegistry(named);
      Optional<String> own = registry.ownSlot(control, source, found.orElse(null));
      if (own.isPresent()) {
        // Before the position goes that may be all that tells: this may have to be done again.
        registry.noteSlot(control, source, own.get());
      }
      boolean dropsSlot = own.filter(named.slot()::equals).isPresent();
      if (dropsSlot) {
        awaitUnread(control, named.slot(), leadership);
      }
      leadership.showLife();
      publisher.forget(leadership.source());
      for (Checkpoint other : publisher.allCheckpoints()) {
        if (other.isOfRebuiltCluster(pipeline.name(), leadership.source())) {
          publisher.forget(other.source());
        }
      }
      // The slot goes first: a source without slot and seed begins anew, one with an old slot
      // would be taken for an operator's own.
      if (SlotState.of(control, named.slot()).isPresent()) {
        if (dropsSlot) {
          new FirstStart(named, connections).dropSlot(control);
          registry.forgetSlot(control, source, named.slot());
        } else {
          LOG.warn(
              "slot {} is left alone: nothing tells that source {} has read it; if it has, say so and do this again: {}",
              named.slot(),
              source,
              registry.claim(source));
        }
      }
      new Backlog(pipeline.source()).clear(control, source);
      // Reports first: whoever waits for one would wait for ever if this ended in between.
      new Reconciliations(pipeline.source()).giveUp(control, source);
      LeftSlot.warn(control, found, own, named.slot());
      registry.reset(control, source);
    }
  }

  /** One that is read cannot be dropped, and by then the position would be gone. */
  private static void awaitUnread(Connection control, String slot, Leadership leadership)
      throws SQLException, InterruptedException {
    long deadline = System.nanoTime() + ENDS_WITHIN.toNanos();
    Optional<SlotState> read = SlotState.of(control, slot).filter(SlotState::active);
    while (read.isPresent()) {
      if (System.nanoTime() - deadline > 0) {
        throw new AgentException.Retryable(
            "slot %1$s is still read by process %2$d, and nothing is forgotten yet; stop what reads it, or where its host is gone: SELECT pg_terminate_backend(%2$d)"
                .formatted(slot, read.get().activePid()));
      }
      leadership.showLife();
      Thread.sleep(LOOK_EVERY_MILLIS);
      read = SlotState.of(control, slot).filter(SlotState::active);
    }
  }

  private static Optional<Checkpoint> shutOthersOut(Publisher publisher, SourceIdentity source) {
    try {
      return publisher.takeOver(source);
    } catch (AgentException.Fatal unreadable) {
      // Others are shut out by now; a checkpoint nobody can read is one to be forgotten.
      LOG.warn("{}", unreadable.getMessage());
      return Optional.empty();
    }
  }
}
