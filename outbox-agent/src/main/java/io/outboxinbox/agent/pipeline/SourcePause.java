package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.capture.SourceConnections;
import io.outboxinbox.agent.capture.SourcePreflight;
import io.outboxinbox.agent.capture.SourceRegistry;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.SourceIdentity;
import java.sql.Connection;
import java.sql.SQLException;

/**
 * The operator's brake: while a source is paused its leader goes on leading but publishes nothing,
 * and so does every agent that leads after it. The database keeps the log meanwhile.
 */
public final class SourcePause {
  private static final int ANSWER_TIMEOUT_SECONDS = 30;

  private final PipelineConfiguration pipeline;

  public SourcePause(PipelineConfiguration pipeline) {
    this.pipeline = pipeline;
  }

  /**
   * Pauses the source; a pause that is there already stays as it is.
   *
   * @return whether it was not paused before
   * @throws AgentException.Retryable the database is away or refuses
   */
  public boolean pause(String by, String reason) {
    return ask(
        (registry, connection, source) -> {
          registry.register(connection, source);
          return registry.pause(connection, source, by, reason);
        });
  }

  /**
   * Ends the pause.
   *
   * @return whether there was one
   * @throws AgentException.Retryable the database is away or refuses
   */
  public boolean resume() {
    return ask(SourceRegistry::resume);
  }

  private interface Question {
    boolean ask(SourceRegistry registry, Connection connection, String source) throws SQLException;
  }

  private boolean ask(Question question) {
    try (Connection connection =
        new SourceConnections(pipeline.source()).open("pause", ANSWER_TIMEOUT_SECONDS)) {
      String source =
          new SourceIdentity(
                  SourcePreflight.server(connection).systemId(),
                  pipeline.source().database(),
                  pipeline.source().publication())
              .id();
      return question.ask(new SourceRegistry(pipeline.source()), connection, source);
    } catch (SQLException e) {
      throw new AgentException.Retryable(
          AgentException.Retryable.Side.DATABASE,
          "database " + pipeline.source().database() + ": " + e.getMessage(),
          e);
    }
  }
}
