package io.outboxinbox.agent.watch;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.Repeating;
import io.outboxinbox.agent.source.ServerMessage;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.SourceNames;
import io.outboxinbox.agent.source.slot.WalRoom;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

/**
 * Looks how much log the slot holds back, whatever state the pipeline is in: a broker away, a pause
 * and a standby's rest all cost log. On a thread and a connection of its own; the latter comes and
 * goes with the database, and does not stay in an agent that is stopped: it would keep people from
 * renaming the database.
 */
public final class WalWatch implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(WalWatch.class);

  /** A busy server writes some 100 MB/s at most, and the alarm is to come with half left. */
  private static final Duration INTERVAL = Duration.ofSeconds(5);

  private static final int ANSWER_TIMEOUT_SECONDS = 10;

  private static final String SLOT_IN_USE = "55006";

  private final PipelineConfiguration pipeline;
  private final Reopened connection;
  private final WatchReport report;
  private final OwnLead own;
  private final WalMeter meter;
  private final WalValve valve;
  private final WalAlarm alarm = new WalAlarm();
  private final Repeating thread;

  private String lastWarned = "";

  /**
   * Makes one that has not begun to look.
   *
   * @param own lead of this process
   */
  public WalWatch(PipelineConfiguration pipeline, WatchReport report, OwnLead own) {
    this.pipeline = pipeline;
    this.connection =
        new Reopened(new SourceConnections(pipeline.source()), "wal", ANSWER_TIMEOUT_SECONDS);
    this.report = report;
    this.own = own;
    this.meter = new WalMeter(pipeline.wal().budgetBytes());
    this.valve = new WalValve(pipeline, own);
    this.thread = Repeating.named("wal-" + pipeline.name());
  }

  public void start() {
    thread.withRests(Duration.ZERO, INTERVAL, this::look);
  }

  /** Looks once; what goes wrong is no reason not to look again. */
  void look() {
    MDC.put("pipeline", pipeline.name());
    try {
      SourceConfiguration source = SourceNames.resolved(connection.open(), pipeline.source());
      Optional<WalRoom> room = WalRoom.of(connection.open(), source.slot());
      if (room.isPresent()) {
        WalBudget budget = meter.add(System.nanoTime(), room.get());
        report.wal(room.get().retainedBytes(), budget);
        alarm.level(budget).ifPresent(LOG::warn);
        if (valve.isDue(connection.open(), budget)) {
          openValve(budget);
        }
      } else {
        forget();
      }
    } catch (SQLException | RuntimeException e) {
      // The pipeline itself finds out, and says so, when the database is away.
      LOG.debug("looking at the slot failed", e);
      forget();
      if (e instanceof SQLException) {
        connection.disconnect();
      }
    } finally {
      if (own.isStopped()) {
        connection.disconnect();
      }
    }
  }

  private void openValve(WalBudget budget) throws SQLException {
    try {
      valve.open(connection.open(), budget);
    } catch (SQLException e) {
      // An agent that began to read just now is as good; anything else stays until it is mended.
      String why = ServerMessage.of(e, pipeline.source());
      if (!SLOT_IN_USE.equals(e.getSQLState()) && !why.equals(lastWarned)) {
        LOG.warn("the slot has used its budget and cannot be let go of: {}", why);
        lastWarned = why;
      }
      throw e;
    }
  }

  /** An old figure would be taken for a current one. */
  private void forget() {
    meter.reset();
    valve.reset();
    report.wal(-1, WalBudget.UNKNOWN);
  }

  @Override
  public void close() {
    // In turn, because the connection belongs to that thread.
    thread.closeAfter(connection::close);
  }
}
