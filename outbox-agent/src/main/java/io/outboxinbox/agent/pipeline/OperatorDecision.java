package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.lead.Leadership;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.SourceNames;
import io.outboxinbox.agent.source.table.SourceRegistry;
import java.sql.Connection;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Watches, for a pipeline that is stopped, whether an operator has asked for a reconciliation, or
 * another agent has done one, or the source was reset. Used by the pipeline's thread.
 */
final class OperatorDecision implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(OperatorDecision.class);
  private static final int ANSWER_TIMEOUT_SECONDS = 5;

  private final PipelineConfiguration pipeline;
  private final SourceRegistry registry;

  private @Nullable Connection connection;

  /** What had been decided when the pipeline stopped; null until that is known. */
  private @Nullable String atStop;

  /** The request it started again for: once it has tried, having asked once is not enough. */
  private @Nullable String tried;

  /** Makes one that watches nothing yet. */
  OperatorDecision(PipelineConfiguration pipeline) {
    this.pipeline = pipeline;
    this.registry = new SourceRegistry(pipeline.source());
  }

  /**
   * Notes what is decided so far. To be called while still leading: as soon as another agent leads,
   * it may do what was asked for, and this one would take the outcome for what it stopped at.
   */
  void stopping(Leadership leadership) {
    atStop = null;
    try {
      atStop = atStop(look(leadership.connection()));
    } catch (SQLException e) {
      LOG.debug("the database is gone; what was decided is noted when it answers again", e);
    }
  }

  /** Never fails: a database that is away has nothing to say, and is asked again. */
  boolean hasCome() {
    try {
      Connection open = connection;
      if (open == null) {
        open = new SourceConnections(pipeline.source()).open("stopped", ANSWER_TIMEOUT_SECONDS);
        connection = open;
      }
      SourceRegistry.Decision now = look(open);
      if (atStop == null) {
        atStop = atStop(now);
      }
      if (now.text().equals(atStop)) {
        return false;
      }
      tried = now.request();
      return true;
    } catch (SQLException e) {
      LOG.debug("looking for an operator's decision failed", e);
      disconnect();
      return false;
    }
  }

  private SourceRegistry.Decision look(Connection open) throws SQLException {
    return registry.decision(open, SourceNames.identify(open, pipeline.source()).id());
  }

  /** A request that came too late for the attempt that failed counts as made after it. */
  private String atStop(SourceRegistry.Decision found) {
    boolean isTooLate = found.request() != null && !found.request().equals(tried);
    return isTooLate ? "" : found.text();
  }

  /** Ends watching, until the pipeline stops again. */
  @Override
  public void close() {
    atStop = null;
    disconnect();
  }

  private void disconnect() {
    Connection open = connection;
    connection = null;
    if (open != null) {
      try {
        open.close();
      } catch (SQLException e) {
        LOG.debug("closing a connection failed", e);
      }
    }
  }
}
