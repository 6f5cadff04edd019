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
    state = newState;
    reason = newReason;
  }

  /** Says what a start is busy with that takes long. */
  synchronized void explain(String doing) {
    reason = doing;
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
        restarts);
  }
}
