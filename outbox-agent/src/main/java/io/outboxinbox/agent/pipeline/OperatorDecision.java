package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.capture.SourceConnections;
import io.outboxinbox.agent.capture.SourceRegistry;
import io.outboxinbox.agent.event.SourceIdentity;
import java.sql.Connection;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Watches, for a pipeline that is stopped, whether an operator has asked for a reconciliation, or
 * another agent has done one, or the source was reset. Used by the pipeline's thread, which closes
 * it.
 */
final class OperatorDecision implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(OperatorDecision.class);
  private static final int ANSWER_TIMEOUT_SECONDS = 5;

  private final PipelineConfiguration pipeline;
  private final @Nullable String before;
  private final SourceRegistry registry;

  private @Nullable Connection connection;
  private @Nullable String first;
  private @Nullable String current;

  /**
   * Starts watching; nothing is connected yet.
   *
   * @param before what had been decided at the last start that followed a decision; null if none
   */
  OperatorDecision(PipelineConfiguration pipeline, @Nullable String before) {
    this.pipeline = pipeline;
    this.before = before;
    this.registry = new SourceRegistry(pipeline.source());
  }

  /** Never fails: a database that is away has nothing to say, and is asked again. */
  boolean hasCome() {
    try {
      Connection open = connection;
      if (open == null) {
        open = new SourceConnections(pipeline.source()).open("stopped", ANSWER_TIMEOUT_SECONDS);
        connection = open;
      }
      SourceIdentity source = Leadership.identify(open, pipeline);
      SourceRegistry.Decision decision = registry.decision(open, source.id());
      current = source.id() + " " + decision.text();
      if (first == null) {
        first = current;
        // Asked for before this agent looked; once it has tried, asking once is not enough.
        return decision.isRequested() && !current.equals(before);
      }
      return !current.equals(first);
    } catch (SQLException e) {
      LOG.debug("looking for an operator's decision failed", e);
      close();
      connection = null;
      return false;
    }
  }

  /** What had been decided when it was last looked at. */
  @Nullable String current() {
    return current;
  }

  @Override
  public void close() {
    Connection open = connection;
    if (open != null) {
      try {
        open.close();
      } catch (SQLException e) {
        LOG.debug("closing a connection failed", e);
      }
    }
  }
}
