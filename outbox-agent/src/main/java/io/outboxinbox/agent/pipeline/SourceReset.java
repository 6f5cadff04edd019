package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.capture.Backlog;
import io.outboxinbox.agent.capture.FirstStart;
import io.outboxinbox.agent.capture.SourceConnections;
import io.outboxinbox.agent.capture.SourcePreflight;
import io.outboxinbox.agent.capture.SourceRegistry;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.publish.Publisher;
import java.sql.Connection;
import java.sql.SQLException;

/**
 * The operator's way out when log and position no longer fit together: forgets slot, position and
 * backlog, so that the pipeline's next start is a first start in a new epoch.
 */
public final class SourceReset {
  private final PipelineConfiguration pipeline;
  private final String holder;

  public SourceReset(PipelineConfiguration pipeline, String holder) {
    this.pipeline = pipeline;
    this.holder = holder;
  }

  /**
   * Resets the source; every agent of it must be stopped.
   *
   * @return the source's id
   * @throws AgentException.Misconfigured an agent still leads the source
   * @throws SQLException the database is away or refuses
   */
  public String run() throws SQLException {
    SourceConnections connections = new SourceConnections(pipeline.source());
    try (Leadership leadership = Leadership.connect(pipeline, holder);
        Publisher publisher = pipeline.publish().newPublisher();
        Connection control = connections.open("reset", 30)) {
      String source = leadership.source().id();
      if (!leadership.tryAcquire()) {
        throw new AgentException.Misconfigured(
            "an agent leads source " + source, "stop every agent of this source first");
      }
      publisher.takeOver(leadership.source());
      publisher.forget(leadership.source());
      for (Checkpoint other : publisher.allCheckpoints()) {
        if (SessionStart.isOfRebuiltCluster(other, pipeline, leadership.source())) {
          publisher.forget(other.source());
        }
      }
      // The slot goes first: a source without slot and seed begins anew, one with an old slot
      // would be taken for an operator's own.
      if (SourcePreflight.slot(control, pipeline.source().slot()).isPresent()) {
        new FirstStart(pipeline.source(), connections).dropSlot(control);
      }
      new Backlog(pipeline.source()).clear(control, source);
      new SourceRegistry(pipeline.source()).forgetSeed(control, source);
      return source;
    }
  }
}
