package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import java.time.Clock;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/** Keeps what a pipeline shows of itself. Written by its threads, read by any. */
final class PipelineMonitor {
  private final String name;
  private final Clock clock;

  private State state = State.STARTING;
  private Instant since;
  private String reason = "";
  private long eventsPublished;
  private long sequence;
  private long epoch;
  private long captureLatencyMillis;
  private @Nullable Instant lastPulseAt;
  private @Nullable Instant lastPublishAt;
  private long retainedWalBytes = -1;
  private long restarts;
  private long parkedWaiting = -1;
  private int parkedKeys = -1;
  private @Nullable Instant parkedOldestAt;
  private long parkedTotal;
  private long releasedTotal;

  PipelineMonitor(String name, Clock clock) {
    this.name = name;
    this.clock = clock;
    this.since = clock.instant();
  }

  synchronized void enter(State newState, String newReason) {
    if (state != newState) {
      since = clock.instant();
    }
    if (newState != State.LEADING) {
      // Only the leader looks; an old figure would be taken for a current one.
      retainedWalBytes = -1;
    }
    if (newState == State.STANDBY) {
      // While this agent only waits to lead again its figures are the latest there are.
      waiting(-1, -1, null);
    }
    state = newState;
    reason = newReason;
  }

  synchronized void waiting(long events, int keys, @Nullable Instant oldestAt) {
    parkedWaiting = events;
    parkedKeys = keys;
    parkedOldestAt = oldestAt;
  }

  synchronized void parked(int events) {
    parkedTotal += events;
  }

  synchronized void released(int events, Checkpoint checkpoint) {
    releasedTotal += events;
    published(events, checkpoint);
  }

  synchronized void published(int events, Checkpoint checkpoint) {
    eventsPublished += events;
    sequence = checkpoint.sequence();
    epoch = checkpoint.epoch();
    if (events > 0) {
      lastPublishAt = clock.instant();
    }
  }

  synchronized void pulsed(Pulse pulse) {
    captureLatencyMillis = pulse.latencyMillis();
    lastPulseAt = pulse.returnedAt();
  }

  synchronized void retainedWal(long bytes) {
    retainedWalBytes = bytes;
  }

  synchronized void restarted() {
    restarts++;
  }

  synchronized PipelineStatus status() {
    return new PipelineStatus(
        name,
        state,
        since,
        reason,
        state == State.LEADING,
        eventsPublished,
        sequence,
        epoch,
        captureLatencyMillis,
        lastPulseAt,
        lastPublishAt,
        retainedWalBytes,
        restarts,
        parkedWaiting,
        parkedKeys,
        parkedOldestAt,
        parkedTotal,
        releasedTotal);
  }
}
