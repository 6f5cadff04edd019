package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.lead.Pulse;
import io.outboxinbox.agent.park.ParkingReport;
import io.outboxinbox.agent.pipeline.PipelineStatus.Handover;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.agent.watch.OwnLead;
import io.outboxinbox.agent.watch.RetentionStatus;
import io.outboxinbox.agent.watch.WalBudget;
import io.outboxinbox.agent.watch.WatchReport;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Keeps what a pipeline shows of itself. Written by its threads, read by any. */
final class PipelineMonitor implements ParkingReport, WatchReport, OwnLead {
  private static final double MILLIS_PER_SECOND = 1e3;

  private final String name;
  private final Clock clock;

  private State state = State.STARTING;
  private Instant since;
  private String reason = "";
  private String ledBy = "";
  private boolean hasLock;
  private String pulsedFor = "";
  private long lastPulse = -1;
  private boolean isAboutToRead;
  private boolean hasFailed;
  private boolean hasProgressed;
  private int fruitlessLeads;
  private String lastFailure = "";
  private @Nullable Instant nextTryAt;
  private long eventsPublished;
  private long sequence;
  private long epoch;
  private long captureLatencyMillis;
  private @Nullable Instant lastPulseAt;
  private @Nullable Instant lastPublishAt;
  private long retainedWalBytes = -1;
  private WalBudget wal = WalBudget.UNKNOWN;
  private long restarts;
  private long parkedWaiting = -1;
  private int parkedKeys = -1;
  private @Nullable Instant parkedOldestAt;
  private long parkedTotal;
  private long releasedTotal;
  private @Nullable Instant leaderSince;
  private @Nullable Instant leaderUntil;
  private long takeovers;
  private double takeoverSeconds;
  private double stallSeconds;
  private long rowsSkipped;
  private double hiddenSeconds;
  private RetentionStatus retention = RetentionStatus.NONE;
  private String notMadeAhead = "";
  private String notDropped = "";
  private @Nullable Checkpoint durable;

  PipelineMonitor(String name, Clock clock) {
    this.name = name;
    this.clock = clock;
    this.since = clock.instant();
  }

  synchronized void enter(State newState, String newReason) {
    if (state != newState) {
      since = clock.instant();
      if (state == State.LEADING) {
        leaderUntil = since;
        hiddenSeconds = 0;
      } else if (newState == State.LEADING) {
        hasProgressed = false;
        leaderSince = since;
        leaderUntil = null;
        takeovers++;
      }
    }
    if (newState == State.STANDBY) {
      // While this agent only waits to lead again its figures are the latest there are.
      waiting(-1, -1, null);
      madeAhead("");
      notDropped("");
    }
    state = newState;
    isAboutToRead = false;
    if (state != State.STARTING && state != State.STANDBY) {
      hasFailed = state != State.LEADING;
    }
    reason = newReason;
    nextTryAt = null;
  }

  /** Leads; what has ended its last leads, each before it came to anything, stays on show. */
  synchronized void lead() {
    enter(
        State.LEADING,
        fruitlessLeads < 2
            ? ""
            : "it has led %d times in a row without any progress, each time until: %s"
                .formatted(fruitlessLeads, lastFailure));
  }

  /** Comes into a state that ends with another try. */
  synchronized void enter(State newState, String newReason, Duration wait) {
    if (state == State.LEADING && !hasProgressed) {
      fruitlessLeads++;
      lastFailure = newReason;
    }
    enter(newState, newReason);
    nextTryAt = clock.instant().plus(wait);
  }

  /** The broker has let this leader in; what was wrong before stays on show until it reads. */
  synchronized void aboutToRead() {
    isAboutToRead = true;
  }

  @Override
  public synchronized boolean isReading() {
    // After a failure nobody knows whether another start comes further than the last.
    return isAboutToRead
        || state == State.LEADING
        || (state == State.STARTING && hasLock && !hasFailed);
  }

  @Override
  public synchronized boolean isStopped() {
    return state == State.STOPPED;
  }

  /** This agent has given the sign of life of this number. */
  synchronized void gavePulse(String source, long number) {
    pulsedFor = source;
    lastPulse = number;
  }

  @Override
  public synchronized boolean hasPulsed(String source, long number) {
    if (number < lastPulse) {
      // The count began anew, as in a table that was restored, and will come to ours again. Or ours
      // came in between: then our next one is known.
      lastPulse = -1;
    }
    return number >= 0 && number == lastPulse && source.equals(pulsedFor);
  }

  /** Takes note which other agent leads; empty when that is not known. */
  synchronized void ledBy(String agent) {
    ledBy = agent;
    hasLock = false;
  }

  /** This agent, of that name, holds the lock. */
  synchronized void leads(String self) {
    ledBy = self;
    hasLock = true;
  }

  @Override
  public synchronized void waiting(long events, int keys, @Nullable Instant oldestAt) {
    parkedWaiting = events;
    parkedKeys = keys;
    parkedOldestAt = oldestAt;
  }

  @Override
  public synchronized void parked(int events) {
    parkedTotal += events;
  }

  synchronized void released(int events, Checkpoint checkpoint) {
    releasedTotal += events;
    published(events, checkpoint);
  }

  /** Says what a start is busy with that takes long. */
  synchronized void explain(String doing) {
    reason = doing;
  }

  synchronized void published(int events, Checkpoint checkpoint) {
    eventsPublished += events;
    sequence = checkpoint.sequence();
    epoch = checkpoint.epoch();
    durable = checkpoint;
    if (state == State.LEADING) {
      hasProgressed = true;
      fruitlessLeads = 0;
      reason = "";
    }
    if (events > 0) {
      lastPublishAt = clock.instant();
    }
  }

  /** The last checkpoint the broker has, of this process's last lead; null before. */
  synchronized @Nullable Checkpoint durable() {
    return durable;
  }

  @Override
  public synchronized void cleaned(int dropped, @Nullable Instant oldestKept, String why) {
    notDropped = "";
    retain(retention.partitionsDropped() + dropped, oldestKept, why);
  }

  @Override
  public synchronized void notDropped(String failure) {
    notDropped = failure;
    retain(retention.partitionsDropped(), retention.oldestKept(), retention.why());
  }

  @Override
  public synchronized void madeAhead(String failure) {
    notMadeAhead = failure;
    retain(retention.partitionsDropped(), retention.oldestKept(), retention.why());
  }

  private void retain(long dropped, @Nullable Instant oldestKept, String why) {
    String warning =
        Stream.of(notMadeAhead, notDropped)
            .filter(failure -> !failure.isEmpty())
            .collect(Collectors.joining("; "));
    retention = new RetentionStatus(dropped, oldestKept, why, warning);
  }

  synchronized void pulsed(Pulse pulse) {
    captureLatencyMillis = pulse.latencyMillis();
    lastPulseAt = pulse.returnedAt();
  }

  @Override
  public synchronized void wal(long retainedBytes, WalBudget budget) {
    retainedWalBytes = retainedBytes;
    wal = budget;
  }

  synchronized void tookOver(Duration sinceLastPulse, Duration stall) {
    takeoverSeconds = sinceLastPulse.toMillis() / MILLIS_PER_SECOND;
    stallSeconds = stall.toMillis() / MILLIS_PER_SECOND;
  }

  synchronized void hidden(Duration duration) {
    hiddenSeconds = duration.toMillis() / MILLIS_PER_SECOND;
  }

  synchronized void skipped(long rows) {
    rowsSkipped += rows;
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
        ledBy,
        eventsPublished,
        sequence,
        epoch,
        captureLatencyMillis,
        lastPulseAt,
        lastPublishAt,
        retainedWalBytes,
        restarts,
        nextTryAt,
        new Handover(
            leaderSince, leaderUntil, takeovers, takeoverSeconds, stallSeconds, rowsSkipped),
        wal,
        hiddenSeconds,
        parkedWaiting,
        parkedKeys,
        parkedOldestAt,
        parkedTotal,
        releasedTotal,
        retention);
  }
}
