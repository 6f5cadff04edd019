package io.outboxinbox.agent.watch;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.OneLine;
import io.outboxinbox.agent.event.Repeating;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.ServerMessage;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.outbox.Retention;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Drops old partitions while this agent leads, on a thread and a connection of its own: looking
 * through a day's rows may take a while.
 */
public final class Cleaner implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Cleaner.class);

  /** Time for the first pulses to come back, which tell what has ended. */
  private static final Duration FIRST = Duration.ofMinutes(1);

  private static final Duration INTERVAL = Duration.ofMinutes(10);

  /** Looking through a partition may take this long. */
  private static final int ANSWER_SECONDS = 300;

  private final SourceConfiguration source;
  private final SourceConnections connections;
  private final Optional<Duration> keep;
  private final Supplier<@Nullable Checkpoint> durable;
  private final WatchReport report;
  private final Repeating thread;

  private volatile @Nullable Connection connection;
  private volatile boolean isClosed;
  private String lastLogged = "";

  /**
   * Makes a cleaner that is not yet running.
   *
   * @param connections of the lead, which end with it
   * @param durable the last checkpoint the broker has
   */
  public Cleaner(
      PipelineConfiguration pipeline,
      SourceConnections connections,
      Supplier<@Nullable Checkpoint> durable,
      WatchReport report) {
    this.source = pipeline.source();
    this.connections = connections;
    this.keep = pipeline.retention().kept();
    this.durable = durable;
    this.report = report;
    this.thread = Repeating.named("retention-" + pipeline.name());
  }

  public void start() {
    if (keep.isPresent()) {
      thread.withRests(FIRST, INTERVAL, this::cleanOrLog);
    }
  }

  private void warn(String why) {
    if (!isClosed) {
      String failure = OneLine.of("old partitions could not be dropped: " + why);
      LOG.warn("{}", failure);
      report.notDropped(failure);
    }
  }

  private void cleanOrLog() {
    try {
      clean();
    } catch (SQLException e) {
      warn(ServerMessage.of(e, source));
    } catch (AgentException e) {
      warn(String.valueOf(e.getMessage()));
    } catch (RuntimeException e) {
      LOG.warn("old partitions could not be dropped", e);
      report.notDropped(OneLine.of("old partitions could not be dropped: " + e));
    }
  }

  /** Looks once, and drops what may go. */
  void clean() throws SQLException {
    if (keep.isEmpty()) {
      return;
    }
    @Nullable Checkpoint checkpoint = durable.get();
    if (checkpoint == null || !checkpoint.isBacklogDone()) {
      tell(new Retention.Result(0, null, "rows older than the slot are still to be published"));
    } else if (checkpoint.endedXid() == 0) {
      tell(
          new Retention.Result(0, null, "the position does not yet tell what has ended before it"));
    } else {
      try (Connection open = connections.open("retention", ANSWER_SECONDS)) {
        connection = open;
        if (isClosed) {
          // Whoever closed us in between found nothing to abort.
          return;
        }
        tell(new Retention(source, keep.get()).run(open, checkpoint.endedXid()));
      } finally {
        connection = null;
      }
    }
  }

  private void tell(Retention.Result result) {
    report.cleaned(result.dropped(), result.oldestKept(), result.why());
    if (result.dropped() > 0) {
      LOG.info("dropped {} old partitions of {}", result.dropped(), OutboxTable.OURS);
    }
    // The same reason for weeks is one line.
    if (!result.why().equals(lastLogged) && !result.why().isEmpty()) {
      LOG.info("old partitions stay: {}", result.why());
    }
    lastLogged = result.why();
  }

  @Override
  public void close() {
    isClosed = true;
    thread.close();
    Connection open = connection;
    if (open != null) {
      try {
        // Ends what it waits for, too.
        open.abort(Runnable::run);
      } catch (SQLException e) {
        LOG.debug("closing the retention's connection failed", e);
      }
    }
  }
}
