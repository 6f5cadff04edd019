package io.outboxinbox.agent.pipeline;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * What a pipeline looks like from outside at one moment. Any thread may ask for it.
 *
 * @param since when it came into the state
 * @param reason what is wrong and how to mend it; empty when all is well
 * @param leader whether it publishes; every other agent of the source stands by
 * @param eventsPublished by this process
 * @param lastSequence of the last event published; 0 before the first
 * @param epoch of that sequence
 * @param captureLatencyMillis how long the last pulse took through the log; 0 before the first
 * @param lastPulseAt when a pulse last came back; null before the first
 * @param lastPublishAt when a batch was last made durable; null before the first
 * @param retainedWalBytes log the slot keeps the server from recycling; -1 if not known
 * @param restarts how often the pipeline started over after a failure
 * @param parkedWaiting events that are parked and neither released nor discarded; -1 if not known
 * @param parkedKeys keys of which an event is parked, so that later ones wait; -1 if not known
 * @param parkedOldestAt when the event that has waited longest was parked; null when none waits
 * @param parkedTotal events parked by this process
 * @param releasedTotal parked events published by this process, part of {@code eventsPublished}
 */
public record PipelineStatus(
    String name,
    State state,
    Instant since,
    String reason,
    boolean leader,
    long eventsPublished,
    long lastSequence,
    long epoch,
    double captureLatencyMillis,
    @Nullable Instant lastPulseAt,
    @Nullable Instant lastPublishAt,
    long retainedWalBytes,
    long restarts,
    long parkedWaiting,
    int parkedKeys,
    @Nullable Instant parkedOldestAt,
    long parkedTotal,
    long releasedTotal) {

  /** The life of a pipeline. */
  public enum State {
    /** Looks at database and broker. */
    STARTING,
    /** Another agent leads; this one watches its sign of life. */
    STANDBY,
    /** Publishes. */
    LEADING,
    /** Failed in a way that passes; waits, then starts again. */
    RETRYING,
    /** Somebody has to change something first; looks again from time to time. */
    MISCONFIGURED,
    /** Going on could skip or repeat events; an operator has to decide. */
    STOPPED,
    /** Ended with the agent. */
    CLOSED
  }
}
