package io.outboxinbox.agent.source.log;

import io.debezium.connector.common.BaseSourceTask;
import io.debezium.connector.common.DebeziumTaskState;
import io.debezium.connector.postgresql.PostgresConnector;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.AgentException.Retryable.Side;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Lsn;
import io.outboxinbox.agent.event.PositionCommitter;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.event.WayOut;
import io.outboxinbox.agent.source.ConnectionFailure;
import io.outboxinbox.agent.source.SocketGroup;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.source.SourceRecord;
import org.jspecify.annotations.Nullable;

/**
 * Streams the outbox tables' inserts from the log, from a position on. One thread starts, polls,
 * commits and closes it.
 *
 * <p>It runs Debezium's connector task as a Kafka Connect worker would: start, poll, commit, stop.
 * Why not through the embedded engine: docs/decisions/0002.
 */
public final class LogReader implements PositionCommitter, AutoCloseable {

  /** Flushing the slot costs a round trip, and only bounds how much log the server keeps. */
  private static final Duration FLUSH_INTERVAL = Duration.ofSeconds(1);

  /** Without rows for this long, the first one may wait for {@link #IDLE_PAUSE_MILLIS}. */
  private static final Duration IDLE_AFTER = Duration.ofSeconds(1);

  /** Keeps an idle agent's processor time low at a latency nobody notices. */
  private static final long IDLE_PAUSE_MILLIS = 10;

  /** A poll takes milliseconds, and seconds when the processor is very busy. */
  private static final Duration OVERDUE_AFTER = Duration.ofSeconds(5);

  /** Takes a second or two as a rule, and more on a busy server. */
  private static final Duration STARTS_WITHIN = Duration.ofSeconds(60);

  /** Takes a second at most while the server answers; what is lost is a flush of the slot. */
  private static final Duration STOPS_WITHIN = Duration.ofSeconds(5);

  private final PollGuard guard = new PollGuard(OVERDUE_AFTER);
  private final SocketGroup sockets = SocketGroup.open();
  private final BaseSourceTask<?, ?> task;
  private final SourceConfiguration source;
  private final Map<String, String> settings;
  private final OffsetAtCommit offset;
  private final RecordReader records;
  private long lastFlushNanos = System.nanoTime();
  private long lastActivityNanos = System.nanoTime();
  private long lastRowNanos = System.nanoTime();
  private boolean isFlushDue;
  private boolean started;

  /**
   * Prepares a reader; nothing is connected yet.
   *
   * @param from where to go on; every item after it is delivered, none before
   * @param nonce marks the pulses that are ours
   * @param batchRows at most this many rows come from one poll
   */
  public LogReader(SourceConfiguration source, SourcePosition from, String nonce, int batchRows) {
    this.offset = new OffsetAtCommit(from.commitLsn());
    this.records = new RecordReader(source, new ResumePoint(from), nonce);
    this.task = new OutboxTask(source.outboxes());
    this.source = source;
    this.settings = ConnectorSettings.of(source, batchRows);
  }

  /**
   * Connects and starts streaming in the background.
   *
   * @throws AgentException.Retryable the database is away or the slot is in use
   * @throws AgentException.Misconfigured a pooler answers
   */
  public void start() {
    started = true;
    task.initialize(new ConnectContext(offset));
    PostgresConnector connector = new PostgresConnector();
    try {
      settings.put(ConnectorSettings.OPTIONS, new SourceConnections(source).optionsOfReader());
      settings.put(ConnectorSettings.SOCKETS, sockets.name());
      connector.start(settings);
      sockets.run(STARTS_WITHIN, () -> task.start(connector.taskConfigs(1).get(0)));
    } catch (SQLException | RuntimeException e) {
      throw failed("reading the log could not start", e);
    } finally {
      connector.stop();
    }
    if (task.getTaskState() != DebeziumTaskState.RUNNING) {
      // The task keeps a start that failed to itself and tries again in its own time; we have a
      // recovery path of our own.
      throw new AgentException.Retryable(
          Side.DATABASE, "reading the log could not start: the task is " + task.getTaskState());
    }
  }

  /**
   * Takes what has arrived; waits a few milliseconds when nothing has.
   *
   * @return items in commit order, possibly none
   * @throws AgentException.Retryable the stream broke
   * @throws AgentException.Gap the log does not continue where the position says
   * @throws InterruptedException the thread was interrupted
   */
  public List<Captured> poll() throws InterruptedException {
    requestFlush();
    if (System.nanoTime() - lastRowNanos > IDLE_AFTER.toNanos()) {
      // Debezium's queue spins through the last millisecond of each wait, which is half of it.
      Thread.sleep(IDLE_PAUSE_MILLIS);
    }
    @Nullable List<SourceRecord> polled;
    try {
      polled = guard.run(task::poll);
    } catch (AgentException e) {
      throw e;
    } catch (RuntimeException e) {
      throw failed("reading the log failed", e);
    }
    if (polled == null || polled.isEmpty()) {
      return List.of();
    }
    lastActivityNanos = System.nanoTime();
    List<Captured> captured = records.read(polled);
    if (captured.stream().anyMatch(Captured.Row.class::isInstance)) {
      lastRowNanos = lastActivityNanos;
    }
    return captured;
  }

  /** Ends a poll that hangs, which then fails; to be called every few seconds by any thread. */
  public void endOverduePoll() {
    guard.endIfOverdue();
  }

  /** Rows that came again since the last call although they are published, and were skipped. */
  public long takeSkipped() {
    return records.takeSkipped();
  }

  /** How long nothing at all has come; rows already published, and sent again, count too. */
  public Duration sinceActivity() {
    return Duration.ofNanos(System.nanoTime() - lastActivityNanos);
  }

  @Override
  public void commit(SourcePosition position) {
    if (offset.advanceTo(position.commitLsn())) {
      isFlushDue = true;
    }
  }

  private void requestFlush() throws InterruptedException {
    if (isFlushDue && System.nanoTime() - lastFlushNanos >= FLUSH_INTERVAL.toNanos()) {
      isFlushDue = false;
      lastFlushNanos = System.nanoTime();
      // Only asks: the task reads the offset back from us at the next poll and flushes that, so
      // the slot can never run ahead of what was committed here.
      task.commit();
    }
  }

  /** Stops streaming and closes all connections; safe before and after a failed start. */
  @Override
  public void close() {
    try (sockets) {
      if (started) {
        started = false;
        // Stopping flushes the offset we answer, once more.
        sockets.run(STOPS_WITHIN, task::stop);
      }
    }
  }

  /** A failure passes by itself, unless the heap was too small or what refuses is no server. */
  private AgentException failed(String what, Exception failure) {
    if (AgentException.HeapExhausted.isCauseOf(failure)) {
      return new AgentException.HeapExhausted(
          "reading the log behind %s, where a row or a logical message is too large for it"
              .formatted(Lsn.format(offset.commitLsn())),
          "; or pass it: " + WayOut.RECONCILE,
          failure);
    }
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      if (cause instanceof SQLException refusal && ConnectionFailure.isOfPooler(refusal)) {
        Finding finding = ConnectionFailure.explain(refusal, source);
        return new AgentException.Misconfigured(finding.what(), finding.fix());
      }
    }
    return new AgentException.Retryable(Side.DATABASE, what + ": " + rootMessage(failure), failure);
  }

  private static String rootMessage(Throwable e) {
    Throwable root = AgentException.causes(e).reduce((outer, cause) -> cause).orElse(e);
    return root.getMessage() == null ? root.getClass().getSimpleName() : root.getMessage();
  }
}
