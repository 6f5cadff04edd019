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
 * another agent has done one, or the source was reset, or a row was deleted as a message advised.
 * Used by the pipeline's thread.
 */
final class OperatorDecision {
  private static final Logger LOG = LoggerFactory.getLogger(OperatorDecision.class);
  private static final int ANSWER_TIMEOUT_SECONDS = 5;

  private final PipelineConfiguration pipeline;
  private final SourceRegistry registry;

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
    // No session stays: nobody could rename the database beside it.
    try (Connection open =
        new SourceConnections(pipeline.source()).open("stopped", ANSWER_TIMEOUT_SECONDS)) {
      SourceRegistry.Decision now = look(open);
      if (atStop == null) {
        atStop = atStop(now);
      }
      if (now.text().equals(atStop)) {
        return false;
      }
      tried = now.request();
      atStop = null;
      return true;
    } catch (SQLException | RuntimeException e) {
      // Such as a file of a password that is being exchanged.
      LOG.debug("looking for an operator's decision failed", e);
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
}
