package io.outboxinbox.agent.watch;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.OneLine;
import io.outboxinbox.agent.event.Repeating;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.PublicationMark;
import io.outboxinbox.agent.source.ServerMessage;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.inspect.Findings;
import io.outboxinbox.agent.source.inspect.SourcePreflight;
import io.outboxinbox.agent.source.log.LogReader;
import io.outboxinbox.agent.source.outbox.Partitions;
import io.outboxinbox.agent.source.slot.SlotState;
import io.outboxinbox.agent.source.table.Reconciliations;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks at the source again while its log is being read, on a thread and a connection of its own:
 * rows written while the table is outside the publication would never arrive, and nobody would
 * notice.
 */
public final class SourceWatch implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(SourceWatch.class);

  /** An edit of the publication is to be noticed within 5 s. */
  private static final Duration INTERVAL = Duration.ofSeconds(2);

  /** Partitions are made days ahead, so one that fails has many more chances. */
  private static final Duration PARTITIONS_INTERVAL = Duration.ofHours(1);

  private static final String NOT_MADE = "partitions could not be made ahead of time: ";
  private static final int QUERY_TIMEOUT_SECONDS = 10;

  private final PipelineConfiguration pipeline;
  private final Checkpoint checkpoint;
  private final Reopened connection;
  private final LogReader reader;
  private final WatchReport report;
  private final Repeating thread;

  private boolean isFailing;
  private volatile long lookedNanos = System.nanoTime();
  private volatile @Nullable AgentException problem;
  private volatile boolean isServerBusy;

  public SourceWatch(
      PipelineConfiguration pipeline,
      Checkpoint checkpoint,
      SourceConnections connections,
      LogReader reader,
      WatchReport report) {
    this.report = report;
    this.connection = new Reopened(connections, "watch", QUERY_TIMEOUT_SECONDS);
    this.pipeline = pipeline;
    this.checkpoint = checkpoint;
    this.reader = reader;
    this.thread = Repeating.named("watch-" + pipeline.name());
  }

  public void start() throws SQLException {
    connection.open();
    lookedNanos = System.nanoTime();
    thread.withRests(INTERVAL, INTERVAL, this::look);
    thread.withRests(Duration.ZERO, PARTITIONS_INTERVAL, this::createPartitions);
  }

  private void look() {
    reader.endOverduePoll();
    if (problem != null) {
      return;
    }
    try {
      look(connection.open());
      lookedNanos = System.nanoTime();
      isFailing = false;
    } catch (AgentException e) {
      problem = e;
    } catch (Error e) {
      // Nobody watches any more: the session has to end.
      problem = new AgentException.Retryable("looking at the source failed: " + e, e);
      throw e;
    } catch (SQLException | RuntimeException e) {
      failed(e);
    }
  }

  /** One slow look harms nothing; when none succeeds for long, {@link #ensureSound} ends it all. */
  private void failed(Exception e) {
    connection.disconnect();
    if (!isFailing && !connection.isClosed()) {
      LOG.warn("looking at the source failed; looking again on a new connection", e);
    }
    isFailing = true;
  }

  private void createPartitions() {
    try {
      int made = Partitions.createAhead(connection.open(), pipeline.source());
      if (made > 0) {
        LOG.info("made {} partitions of {} ahead of time", made, OutboxTable.OURS);
      }
      report.madeAhead("");
    } catch (SQLException e) {
      if (!connection.isClosed()) {
        String failure = OneLine.of(NOT_MADE + ServerMessage.of(e, pipeline.source()));
        LOG.warn("{}", failure);
        report.madeAhead(failure);
      }
    } catch (RuntimeException e) {
      LOG.warn("partitions could not be made ahead of time", e);
      report.madeAhead(OneLine.of(NOT_MADE + e));
    }
  }

  private void look(Connection open) throws SQLException {
    Findings.refuse(
        SourcePreflight.checkWhileReading(open, pipeline.source(), pipeline.needsPositions()));
    String mark = PublicationMark.of(open, pipeline.source());
    Findings.refuse(PublicationMark.compare(pipeline.source(), checkpoint.publicationMark(), mark));
    refuseRequest(open);
    Optional<SlotState> slot = SlotState.of(open, pipeline.source().slot());
    isServerBusy = slot.isPresent() && slot.get().isDecoding(open);
  }

  /** The start order alone reconciles; it clears the request once it has done so. */
  private void refuseRequest(Connection open) throws SQLException {
    Optional<Reconciliations.Request> request =
        new Reconciliations(pipeline.source()).request(open, checkpoint.source().id());
    if (request.isPresent()) {
      throw new AgentException.Retryable(
          request.get().by() + " asked for a reconciliation at " + request.get().at());
    }
  }

  /**
   * Fails when the source has changed for the worse, or when its log has silently stopped coming:
   * no pulse and nothing else for too long although the server has nothing left to send.
   *
   * @param sincePulse how long ago the last pulse came back through the log
   * @throws AgentException as found
   */
  public void ensureSound(Duration sincePulse) {
    AgentException found = problem;
    if (found != null) {
      throw found;
    }
    Duration limit = pipeline.leadership().stallAfter();
    Duration blind = Duration.ofNanos(System.nanoTime() - lookedNanos);
    if (blind.compareTo(limit.plusSeconds(QUERY_TIMEOUT_SECONDS)) > 0) {
      throw new AgentException.Retryable(
          AgentException.Retryable.Side.DATABASE,
          "server, publication and slot could not be looked at for " + blind.toSeconds() + " s");
    }
    if (!isServerBusy
        && sincePulse.compareTo(limit) > 0
        && reader.sinceActivity().compareTo(limit) > 0) {
      throw new AgentException.Retryable(
          AgentException.Retryable.Side.DATABASE,
          "the log has stopped coming: no pulse has come back for " + sincePulse);
    }
  }

  @Override
  public void close() {
    // First, so that a look that fails with it is no news.
    connection.close();
    thread.close();
  }
}
