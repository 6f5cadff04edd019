package io.outboxinbox.e2e.rig;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import org.awaitility.core.ConditionTimeoutException;

/**
 * One ledger from the first write to the audit: its database, its reader, and the writers of the
 * test. One thread uses it.
 */
public final class LedgerRun implements AutoCloseable {
  /** Writer of the markers that end a run; the load's writers count from 1. */
  private static final int MARKER_WRITER = 0;

  /** Writer of large transactions on demand. */
  private static final int BURST_WRITER = 9;

  /** Enough for a backlog of a whole run on a busy machine. */
  private static final Duration DRAINED_WITHIN = Duration.ofMinutes(3);

  private static final Duration RECONNECT_PAUSE = Duration.ofMillis(100);

  private final Stage stage;
  private final SourceDatabase database;
  private final String topic;
  private final Ledger ledger = new Ledger();
  private final Reader reader;
  private final Writer markers;
  private final Writer bursts;
  private final long seed;

  private LedgerRun(Stage stage, SourceDatabase database, String topic, long seed) {
    this.stage = stage;
    this.database = database;
    this.topic = topic;
    this.seed = seed;
    this.reader = stage.read(topic);
    this.markers = new Writer(database, ledger, MARKER_WRITER, seed);
    this.bursts = new Writer(database, ledger, BURST_WRITER, seed);
  }

  /** Starts reading the stage's topic. */
  public static LedgerRun start(Stage stage, SourceDatabase database, long seed) {
    return new LedgerRun(stage, database, Stage.TOPIC, seed);
  }

  /** Starts reading a topic, which no other run may use. */
  public static LedgerRun start(Stage stage, SourceDatabase database, String topic, long seed) {
    return new LedgerRun(stage, database, topic, seed);
  }

  /** Starts writers that go on until the load is stopped. */
  public Load load(int eventsPerSecond) {
    return Load.start(database, ledger, seed, eventsPerSecond);
  }

  public Reader reader() {
    return reader;
  }

  /** Commits one transaction of this many events by COPY, on this thread. */
  public Transaction writeBurst(int rows) {
    return write(bursts, Transaction.Kind.COPY, rows);
  }

  /** Commits one transaction of which half is written before, half after something else happens. */
  public Transaction writeAround(int rows, Runnable between) throws SQLException {
    return bursts.writeAround(rows, between);
  }

  /** Commits one event. */
  public Transaction writeMarker() {
    return write(markers, Transaction.Kind.FUNCTION, 1);
  }

  private static Transaction write(Writer writer, Transaction.Kind kind, int rows) {
    while (true) {
      try {
        return writer.write(kind, rows);
      } catch (SQLException e) {
        if (!SourceDatabase.isConnectionLost(e)) {
          throw new IllegalStateException("writing " + kind + " failed", e);
        }
        LockSupport.parkNanos(RECONNECT_PAUSE.toNanos());
      }
    }
  }

  /**
   * Ends the run: waits for a marker written last, stops and starts the agent once more in order,
   * waits for a second marker, and audits. What is missing by then is lost.
   *
   * @param agent publishes; it runs when this returns
   * @param atomicEvents as configured for the agent
   */
  public Verdict finish(AgentProcess agent, int atomicEvents) {
    try (Connection connection = database.connectAsSuperuser()) {
      ledger.resolveUnknown(connection);
      if (awaitMarker()) {
        agent.stop();
        agent.start();
        awaitMarker();
      }
      ledger.resolveUnknown(connection);
    } catch (SQLException e) {
      throw new IllegalStateException("cannot resolve the ledger", e);
    }
    return Audit.of(ledger, reader.published(), stage.brokerLog(topic), atomicEvents);
  }

  /** Everything committed before a marker is published before it. */
  private boolean awaitMarker() {
    Transaction marker = writeMarker();
    try {
      reader.await(marker.entries().get(0).id(), DRAINED_WITHIN);
      reader.awaitEnd(DRAINED_WITHIN);
      return true;
    } catch (ConditionTimeoutException stuck) {
      System.out.println("  the agent does not publish any more: " + stuck.getMessage());
      return false;
    }
  }

  @Override
  public void close() {
    markers.close();
    bursts.close();
    reader.close();
  }
}
