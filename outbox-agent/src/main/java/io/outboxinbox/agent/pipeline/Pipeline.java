package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.capture.SourcePreflight;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
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

  private final PipelineConfiguration configuration;
  private final String holder;
  private final Clock clock;
  private final PipelineMonitor monitor;
  private final PipelineMemory memory;
  private final Backoff backoff;
  private final CountDownLatch stopRequested = new CountDownLatch(1);
  private final Thread thread;

  private @Nullable String lastLogged;

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
    this.memory = PipelineMemory.of(configuration.parking());
    this.backoff = new Backoff(configuration.retry(), random);
    this.thread = new Thread(this::run, "pipeline-" + configuration.name());
  }

  /** Starts in the background; may be called once. */
  public void start() {
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
    } catch (InterruptedException e) {
      LOG.debug("interrupted; ending", e);
    } finally {
      LOG.info("ended after {} events; leadership is given up", monitor.status().eventsPublished());
      monitor.enter(State.CLOSED, "");
    }
  }

  private void runOnce() throws InterruptedException {
    try {
      leadOnce();
    } catch (AgentException.Fatal e) {
      stayStopped(e);
    } catch (AgentException.Misconfigured | AgentException.RejectedEvent e) {
      waitAfter(State.MISCONFIGURED, e);
    } catch (AgentException e) {
      waitAfter(State.RETRYING, e);
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
      if (!awaitLeadership(leadership)) {
        return;
      }
      try (Pulse pulse = new Pulse(leadership, configuration.name(), clock)) {
        pulse.start(configuration.leadership().pulseInterval());
        new LeadingSession(
                configuration, memory, leadership, pulse, monitor, clock, this::isStopping)
            .run();
      }
    }
  }

  /** Returns whether this agent leads; false when asked to stop first. */
  private boolean awaitLeadership(Leadership leadership) throws SQLException, InterruptedException {
    boolean isStandby = false;
    while (!leadership.tryAcquire()) {
      if (!isStandby) {
        LOG.info("standby: another agent leads source {}", leadership.source().id());
        monitor.enter(State.STANDBY, "");
        isStandby = true;
      }
      if (waitUnlessStopping(configuration.leadership().pulseInterval())) {
        return false;
      }
    }
    if (isStandby) {
      monitor.enter(State.STARTING, "");
    }
    // Else what was wrong stays on show until it turns out to be mended.
    return true;
  }

  /** A lost connection passes by itself; a server that refuses wants something mended. */
  private void waitAfterDatabaseFailure(SQLException e) throws InterruptedException {
    if (!SourcePreflight.isRefusal(e)) {
      waitAfter(State.RETRYING, e);
      return;
    }
    try {
      Findings.refuse(SourcePreflight.check(configuration.source()));
      waitAfter(State.RETRYING, e);
    } catch (AgentException.Fatal | AgentException.Misconfigured explained) {
      explained.addSuppressed(e);
      waitAfter(State.MISCONFIGURED, explained);
    }
  }

  private void stayStopped(AgentException.Fatal e) throws InterruptedException {
    LOG.error("pipeline stopped: {}", e.getMessage());
    monitor.enter(State.STOPPED, String.valueOf(e.getMessage()));
    stopRequested.await();
  }

  private void waitAfter(State state, Exception e) throws InterruptedException {
    // After a rejected event it would only lead up to the same event again.
    if (state == State.RETRYING && monitor.status().leader()) {
      // It had been well in between: the same trouble is news again.
      lastLogged = null;
      if (monitor.status().lastPublishAt() != null || memory.isolation().isLooking()) {
        backoff.reset();
      }
    }
    monitor.restarted();
    String message = String.valueOf(e.getMessage());
    monitor.enter(state, message);
    Duration wait = backoff.next();
    // The same trouble for hours is one line, not thousands.
    if (message.equals(lastLogged)) {
      LOG.debug("still {}: {}", state, message);
    } else {
      LOG.warn("{}: {}; next try in {} ms", state, message, wait.toMillis());
      lastLogged = message;
    }
    if (waitUnlessStopping(wait)) {
      LOG.debug("stopping instead of trying again");
    }
  }

  private boolean waitUnlessStopping(Duration wait) throws InterruptedException {
    return stopRequested.await(wait.toMillis(), TimeUnit.MILLISECONDS);
  }
}
