package io.outboxinbox.agent.stream;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.source.table.ParkedEvent;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Numbers events and holds them back until their database transaction has ended, so that it becomes
 * visible at once; splits a transaction that is too large for that. Rejected events go along in
 * order, to be parked, and take no number. Once everything has to wait for an event nothing after
 * it is taken any more, and what ended before it can still be published. Used by one thread.
 */
public final class TransactionGrouper {

  /**
   * What may be published and parked together.
   *
   * @param events to publish, possibly none
   * @param parked to write down before the events go, possibly none
   * @param position behind the last of them
   * @param sequence of the last event
   */
  public record Batch(
      List<RoutedEvent> events, List<ParkedEvent> parked, SourcePosition position, long sequence) {
    public boolean isEmpty() {
      return events.isEmpty() && parked.isEmpty();
    }
  }

  private final PipelineConfiguration.BatchConfiguration limits;
  private final Triage triage;
  private final boolean isEachRowNumbered;
  private final long epoch;

  private List<RoutedEvent> ended = new ArrayList<>();
  private List<ParkedEvent> endedParked = new ArrayList<>();
  private long endedBytes;
  private SourcePosition endedPosition;
  private long endedSequence;

  private List<RoutedEvent> open = new ArrayList<>();
  private List<ParkedEvent> openParked = new ArrayList<>();
  private long openBytes;
  private long sequence;
  private @Nullable AgentException waitsFor;

  /**
   * Starts behind a checkpoint.
   *
   * @param isEachRowNumbered whether a number is used up also by what is not published. Where a
   *     crash can repeat events they must have the numbers they had, whatever is parked this time;
   *     elsewhere published events are numbered without a gap.
   */
  public TransactionGrouper(
      PipelineConfiguration.BatchConfiguration limits,
      Triage triage,
      boolean isEachRowNumbered,
      Checkpoint from) {
    this.limits = limits;
    this.triage = triage;
    this.isEachRowNumbered = isEachRowNumbered;
    this.epoch = from.epoch();
    this.sequence = from.sequence();
    this.endedSequence = from.sequence();
    this.endedPosition = from.position();
  }

  public void add(Captured.Row row) {
    if (waitsFor == null) {
      SequencedEvent event =
          new SequencedEvent(row.event(), row.position(), row.committedAt(), epoch, sequence + 1);
      add(triage.judge(event), row.position());
    }
  }

  public void add(Captured.BadRow row) {
    if (waitsFor == null) {
      add(triage.judge(row), row.position());
    }
  }

  private void add(Triage.Verdict verdict, SourcePosition position) {
    if (verdict instanceof Triage.Wait wait) {
      waitsFor = wait.cause();
      open = new ArrayList<>();
      openParked = new ArrayList<>();
      return;
    }
    if (verdict instanceof Triage.Publish publish) {
      open.add(publish.event());
      openBytes += BatchSize.bytes(publish.event());
      sequence++;
    } else if (verdict instanceof Triage.Park park) {
      openParked.add(park.event());
      openBytes += BatchSize.bytes(park.event().row());
      useUpNumber();
    }
    int eventsMax = Math.min(limits.atomicEvents(), triage.eventsMax());
    if (open.size() + openParked.size() >= eventsMax || openBytes >= bytesMax()) {
      end(position);
    }
  }

  public void add(Captured.TransactionEnd transactionEnd) {
    if (waitsFor == null) {
      end(transactionEnd.position());
    }
  }

  /** Takes note of a row that is gone. */
  public void addAbsent() {
    if (waitsFor == null) {
      useUpNumber();
    }
  }

  private void useUpNumber() {
    if (isEachRowNumbered) {
      sequence++;
    }
  }

  /** Rows of the backlog come without transactions; a page is published as one. */
  public void endBacklogPage() {
    if (waitsFor == null) {
      end(endedPosition);
    }
  }

  private void end(SourcePosition position) {
    ended.addAll(open);
    endedParked.addAll(openParked);
    endedBytes += openBytes;
    endedPosition = position;
    endedSequence = sequence;
    open = new ArrayList<>();
    openParked = new ArrayList<>();
    openBytes = 0;
  }

  /** Everything that has ended since the last call. */
  public Batch takeEnded() {
    Batch batch = new Batch(ended, endedParked, endedPosition, endedSequence);
    ended = new ArrayList<>();
    endedParked = new ArrayList<>();
    endedBytes = 0;
    return batch;
  }

  /**
   * Whether the batch would grow too large if it waited: for the broker to take it in time, or for
   * the broker's refusal to be traced.
   */
  public boolean isBatchFull() {
    if (ended.isEmpty() && endedParked.isEmpty()) {
      return false;
    }
    return ended.size() + open.size() >= triage.eventsMax() || endedBytes + openBytes >= bytesMax();
  }

  private long bytesMax() {
    return Math.min(limits.atomicBytes(), triage.bytesMax());
  }

  /** Whether no event here has a number, so that other events can take the next ones. */
  public boolean isIdle() {
    return open.isEmpty() && openParked.isEmpty() && ended.isEmpty() && endedParked.isEmpty();
  }

  /** Numbers up to this one were given to others; only when idle. */
  public void skipTo(long lastSequence) {
    if (!isIdle()) {
      throw new IllegalStateException("events here have numbers from " + endedSequence + " on");
    }
    sequence = lastSequence;
    endedSequence = lastSequence;
  }

  /**
   * To be called once what came before is published.
   *
   * @throws AgentException what everything has to wait for, if there is something
   */
  public void throwIfWaiting() {
    if (waitsFor != null) {
      throw waitsFor;
    }
  }
}
