package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.WayOut;
import io.outboxinbox.agent.lead.Leadership;
import io.outboxinbox.agent.lead.Pulse;
import io.outboxinbox.agent.lead.Rehearsal;
import io.outboxinbox.agent.lead.ReplicaWait;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.agent.source.ConnectionFailure;
import io.outboxinbox.agent.source.ServerMessage;
import io.outboxinbox.agent.source.SourceConfiguration.OnGap;
import io.outboxinbox.agent.source.inspect.Findings;
import io.outboxinbox.agent.source.inspect.SourcePreflight;
import io.outboxinbox.agent.source.table.SourceRegistry.Pause;
import io.outboxinbox.agent.watch.WalWatch;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

/**
 * Carries the events of one outbox table to one broker, for ever: waits to lead, leads, and after
 * any failure closes everything and begins again. There is one way back whatever failed; the type
 * of the failure only decides whether and when. Any thread may start, stop and ask it.
 */
public final class Pipeline {
  private static final Logger LOG = LoggerFactory.getLogger(Pipeline.class);

  private static final Duration LOOK_FOR_DECISION_EVERY = Duration.ofSeconds(2);

  private final PipelineConfiguration configuration;
  private final String holder;
  private final Clock clock;
  private final PipelineMonitor monitor;
  private final PipelineMemory memory;
  private final Recovery recovery;
  private final WalWatch wal;
  private final OperatorDecision decision;
  private final CountDownLatch stopRequested = new CountDownLatch(1);
  private final Thread thread;

  private boolean hasRehearsed;
  private long publishedBefore;
  private AgentException.@Nullable Gap seen;

  /**
   * Makes a pipeline that is not yet running.
   *
   * @param holder names this agent to operators and other agents, such as host and process
   */
  public Pipeline(
      PipelineConfiguration configuration, String holder, Clock clock, RandomGenerator random) {
    this.configuration = configuration;
    this.holder = holder;
    this.clock = clock;
    this.monitor = new PipelineMonitor(configuration.name(), clock);
    this.memory = PipelineMemory.of(configuration);
    this.recovery =
        new Recovery(new Backoff(configuration.retry(), random), configuration.retry().max());
    this.wal = new WalWatch(configuration, monitor, monitor);
    this.decision = new OperatorDecision(configuration);
    this.thread = new Thread(this::run, "pipeline-" + configuration.name());
  }

  /** Starts in the background; may be called once. */
  public void start() {
    wal.start();
    thread.start();
  }

  public PipelineStatus status() {
    return monitor.status();
  }

  /**
   * Finishes the batch under way, gives leadership up and ends.
   *
   * @param deadline after which the thread is interrupted; the next start then sorts out what was
   *     under way
   * @return whether it ended in time
   */
  public boolean stop(Duration deadline) {
    stopRequested.countDown();
    try {
      thread.join(deadline.toMillis());
      if (thread.isAlive()) {
        LOG.warn("pipeline {} did not stop within {}", configuration.name(), deadline);
        thread.interrupt();
        return false;
      }
      return true;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      thread.interrupt();
      return false;
    }
  }

  private boolean isStopping() {
    return stopRequested.getCount() == 0;
  }

  private void run() {
    MDC.put("pipeline", configuration.name());
    try {
      while (!isStopping()) {
        runOnce();
      }
      monitor.enter(State.CLOSED, "");
    } catch (InterruptedException e) {
      LOG.debug("interrupted; ending", e);
      monitor.enter(State.CLOSED, "");
    } catch (Error e) {
      monitor.enter(
          State.CRASHED,
          "%s; fix: see the log for where it comes from, mend the installation, start the agent again"
              .formatted(e));
      throw e;
    } finally {
      wal.close();
      LOG.info("ended after {} events; leadership is given up", monitor.status().eventsPublished());
    }
  }

  private void runOnce() throws InterruptedException {
    publishedBefore = monitor.status().eventsPublished();
    try {
      leadOnce();
    } catch (AgentException.Gap e) {
      seen = e;
      if (configuration.source().onGap() == OnGap.RECONCILE) {
        waitAfter(State.RETRYING, e);
      } else {
        stayStopped(e);
      }
    } catch (AgentException.Fatal e) {
      stayStopped(e);
    } catch (AgentException.Misconfigured | AgentException.RejectedEvent e) {
      waitAfter(State.MISCONFIGURED, e);
    } catch (AgentException.Flood e) {
      waitAfter(State.PAUSED, e);
    } catch (AgentException.Retryable e) {
      waitAfter(stateAfter(e.side()), e);
    } catch (AgentException.HeapExhausted e) {
      waitAfter(State.OUT_OF_MEMORY, e);
    } catch (OutOfMemoryError e) {
      waitAfter(State.OUT_OF_MEMORY, new AgentException.HeapExhausted("publishing", "", e));
    } catch (SQLException e) {
      waitAfterDatabaseFailure(e);
    } catch (RuntimeException e) {
      // Nothing is known about such a failure but that the durable position is still right.
      LOG.error("unexpected failure; starting over", e);
      waitAfter(State.RETRYING, e);
    }
  }

  private void leadOnce() throws SQLException, InterruptedException {
    try (Leadership leadership = Leadership.connect(configuration, holder)) {
      if (awaitLeadership(leadership)) {
        lead(leadership);
      }
    } catch (SQLException e) {
      // Its own session may be the one that waits; the server does not notice that it was left.
      ReplicaWait.throwIfWaiting(e, configuration.source());
      throw e;
    } finally {
      monitor.ledBy("");
    }
  }

  private void lead(Leadership leadership) throws SQLException, InterruptedException {
    String source = leadership.source().id();
    try (Pulse pulse =
        new Pulse(
            leadership, configuration.name(), clock, number -> monitor.gavePulse(source, number))) {
      try {
        pulse.start(configuration.leadership().pulseInterval());
        while (awaitResume(leadership, pulse)) {
          new LeadingSession(
                  leadership.pipeline(),
                  leadership.pipeline().router().forSource(leadership.source()),
                  memory.stream(),
                  memory.findings(),
                  leadership,
                  pulse,
                  monitor,
                  clock,
                  () -> isStopping() || pulse.pause() != null,
                  seen)
              .run();
        }
      } catch (SQLException e) {
        // As long as it gives signs of life: whoever leads next ends the session that waits.
        ReplicaWait.throwIfWaiting(e, configuration.source());
        throw pulse.causeOf(e);
      }
    } catch (AgentException.Gap | AgentException.Fatal e) {
      decision.stopping(leadership);
      throw e;
    }
  }

  /** Holds leadership and publishes nothing while paused; returns false when asked to stop. */
  private boolean awaitResume(Leadership leadership, Pulse pulse)
      throws SQLException, InterruptedException {
    @Nullable Pause told = null;
    for (Pause pause = pulse.pause(); pause != null; pause = pulse.pause()) {
      pulse.ensureAlive();
      if (!pause.equals(told)) {
        String reason =
            "paused by %s at %s: %s; fix: 'java -jar outbox-agent.jar resume agent.yml --pipeline %s'"
                .formatted(
                    pause.by(),
                    pause.since().truncatedTo(ChronoUnit.SECONDS),
                    pause.reason(),
                    configuration.name());
        LOG.warn("{}", reason);
        monitor.enter(State.PAUSED, reason);
        leadership.waited();
        told = pause;
      }
      if (waitUnlessStopping(configuration.leadership().pulseInterval())) {
        return false;
      }
    }
    if (told != null) {
      LOG.info("resumed");
      monitor.enter(State.STARTING, "");
    }
    return !isStopping();
  }

  /** Returns whether this agent leads; false when asked to stop first. */
  private boolean awaitLeadership(Leadership leadership) throws SQLException, InterruptedException {
    String told = "";
    boolean isStandby = false;
    while (!leadership.tryAcquire()) {
      monitor.ledBy(leadership.leader());
      rehearse(leadership);
      String obstacle = leadership.obstacle().map(Throwable::getMessage).orElse("");
      if (!obstacle.isEmpty() && !obstacle.equals(told)) {
        LOG.warn("{}", obstacle);
        monitor.enter(stateOf(leadership.obstacle().get()), obstacle);
        isStandby = false;
      } else if (leadership.isFollowing() && !isStandby) {
        LOG.info("standby: {} leads source {}", leadership.leader(), leadership.source().id());
        monitor.enter(State.STANDBY, "");
        isStandby = true;
      }
      told = obstacle;
      if (waitUnlessStopping(configuration.leadership().standbyInterval())) {
        return false;
      }
    }
    monitor.leads(leadership.leader());
    if (isStandby || !told.isEmpty()) {
      monitor.enter(State.STARTING, "");
    }
    // Else what was wrong stays on show until it turns out to be mended.
    return true;
  }

  private static State stateOf(AgentException obstacle) {
    return obstacle instanceof AgentException.Retryable passing
        ? stateAfter(passing.side())
        : State.MISCONFIGURED;
  }

  private void rehearse(Leadership leadership) {
    if (!hasRehearsed) {
      hasRehearsed = true;
      Rehearsal.start(
          leadership.pipeline(), leadership.source(), configuration.router().fixedTopics());
    }
  }

  private static State stateAfter(AgentException.Retryable.Side side) {
    return switch (side) {
      case BROKER -> State.WAITING_FOR_BROKER;
      case DATABASE -> State.WAITING_FOR_DATABASE;
      case NEITHER -> State.RETRYING;
    };
  }

  /** A lost connection passes by itself; a server that refuses wants something mended. */
  private void waitAfterDatabaseFailure(SQLException e) throws InterruptedException {
    if (!ConnectionFailure.isRefusal(e)) {
      waitAfter(State.WAITING_FOR_DATABASE, e);
      return;
    }
    try {
      Findings.refuse(
          SourcePreflight.check(configuration.source(), configuration.needsPositions()));
      waitAfter(State.WAITING_FOR_DATABASE, e);
    } catch (AgentException.Fatal | AgentException.Misconfigured explained) {
      explained.addSuppressed(e);
      waitAfter(State.MISCONFIGURED, explained);
    }
  }

  /** Until the agent ends, or an operator has decided: no agent has to be started anew for that. */
  private void stayStopped(AgentException e) throws InterruptedException {
    String message = messageOf(e);
    LOG.error("pipeline stopped: {}", message);
    monitor.enter(State.STOPPED, message);
    while (!waitUnlessStopping(LOOK_FOR_DECISION_EVERY)) {
      if (decision.hasCome()) {
        LOG.info("an operator has decided; starting again");
        monitor.restarted();
        monitor.enter(State.STARTING, "");
        return;
      }
    }
  }

  private void waitAfter(State state, Exception e) throws InterruptedException {
    PipelineStatus before = monitor.status();
    // After a rejected event it would only lead up to the same event again.
    if (state != State.MISCONFIGURED && state != State.PAUSED) {
      // Rows older than the slot are published before it leads, and count as well.
      boolean hasPublished =
          before.eventsPublished() > publishedBefore || memory.stream().isolation().isLooking();
      if (before.leader() || hasPublished) {
        recovery.led(Duration.between(before.since(), clock.instant()), hasPublished);
      }
    }
    monitor.restarted();
    String message =
        e instanceof SQLException of ? ServerMessage.of(of, configuration.source()) : messageOf(e);
    Recovery.Step step = recovery.after(message);
    monitor.enter(state, message, step.pause());
    if (step.isNews()) {
      LOG.warn("{}: {}; next try in {} ms", state, message, step.pause().toMillis());
    } else {
      LOG.debug("still {}: {}", state, message);
    }
    if (waitUnlessStopping(step.pause())) {
      LOG.debug("stopping instead of trying again");
    }
  }

  private String messageOf(Exception e) {
    return WayOut.of(configuration.name(), String.valueOf(e.getMessage()));
  }

  private boolean waitUnlessStopping(Duration wait) throws InterruptedException {
    return stopRequested.await(wait.toMillis(), TimeUnit.MILLISECONDS);
  }
}
