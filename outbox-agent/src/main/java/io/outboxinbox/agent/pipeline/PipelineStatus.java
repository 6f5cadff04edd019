package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.watch.RetentionStatus;
import io.outboxinbox.agent.watch.WalBudget;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * What a pipeline looks like from outside at one moment. Any thread may ask for it.
 *
 * @param since when it came into the state
 * @param reason what is wrong and how to mend it; empty when all is well
 * @param leader whether it publishes; every other agent of the source stands by
 * @param ledBy who leads the source, this agent or another, by host and process; empty if not known
 * @param eventsPublished by this process
 * @param lastSequence of the last event published; 0 before the first
 * @param epoch of that sequence
 * @param captureLatencyMillis how long the last pulse took through the log; 0 before the first
 * @param lastPulseAt when a pulse last came back; null before the first
 * @param lastPublishAt when a batch was last made durable; null before the first
 * @param retainedWalBytes log the slot keeps the server from recycling; -1 if not known
 * @param restarts how often the pipeline started over after a failure
 * @param nextTryAt when it looks again; null unless it waits after a failure
 * @param handover how leadership came to this agent
 * @param wal how long the slot can wait
 * @param hiddenSeconds for how long events of a partition have been held back from read_committed
 *     consumers by a transaction that does not end; 0 when none are, and while it does not lead
 * @param parkedWaiting events that are parked and neither released nor discarded; -1 if not known
 * @param parkedKeys keys of which an event is parked, so that later ones wait; -1 if not known
 * @param parkedOldestAt when the event that has waited longest was parked; null when none waits
 * @param parkedTotal events parked by this process
 * @param releasedTotal parked events published by this process, part of {@code eventsPublished}
 * @param retention what became of old partitions
 */
public record PipelineStatus(
    String name,
    State state,
    Instant since,
    String reason,
    boolean leader,
    String ledBy,
    long eventsPublished,
    long lastSequence,
    long epoch,
    double captureLatencyMillis,
    @Nullable Instant lastPulseAt,
    @Nullable Instant lastPublishAt,
    long retainedWalBytes,
    long restarts,
    @Nullable Instant nextTryAt,
    Handover handover,
    WalBudget wal,
    double hiddenSeconds,
    long parkedWaiting,
    int parkedKeys,
    @Nullable Instant parkedOldestAt,
    long parkedTotal,
    long releasedTotal,
    RetentionStatus retention) {

  /** The life of a pipeline. For people to read; nothing that must be right depends on it. */
  public enum State {
    /** Looks at database and broker. */
    STARTING,
    /** Another agent leads; this one watches its sign of life. */
    STANDBY,
    /** Publishes. */
    LEADING,
    /** The broker is away or refuses; waits, then starts again. */
    WAITING_FOR_BROKER,
    /** The database is away; waits, then starts again. */
    WAITING_FOR_DATABASE,
    /** Failed in another way that passes; waits, then starts again. */
    RETRYING,
    /** An operator wants nothing published until told otherwise, or too much is refused at once. */
    PAUSED,
    /** Somebody has to change something first; looks again from time to time. */
    MISCONFIGURED,
    /** Going on could skip or repeat events; an operator has to decide. */
    STOPPED,
    /** The heap was too small; tries again, but a larger one or a smaller row is needed. */
    OUT_OF_MEMORY,
    /** Ended by a fault of the program or its installation; the process has to be started again. */
    CRASHED,
    /** Ended with the agent. */
    CLOSED;

    /** Whether whoever runs the process should end it and start another. */
    public boolean needsNewProcess() {
      return this == OUT_OF_MEMORY || this == CRASHED;
    }
  }

  /**
   * How leadership came to this agent, last time.
   *
   * @param leaderSince when it last began to publish; null before the first time
   * @param leaderUntil when it last ceased to; null while it publishes and before the first time
   * @param takeovers how often it began to publish
   * @param takeoverSeconds from the last sign of life of whoever led before, possibly this agent
   *     itself, until this one read the log; 0 when nobody led before
   * @param stallSeconds for how long that leader had shown no sign of life when this agent ended
   *     its session; 0 when it had gone by itself
   * @param rowsSkipped rows the log brought again to this process that were published already
   */
  public record Handover(
      @Nullable Instant leaderSince,
      @Nullable Instant leaderUntil,
      long takeovers,
      double takeoverSeconds,
      double stallSeconds,
      long rowsSkipped) {}
}
