package io.outboxinbox.agent.operate;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.LockLimit;
import io.outboxinbox.agent.source.ServerMessage;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.SourceNames;
import io.outboxinbox.agent.source.table.SourceRegistry;
import java.sql.Connection;
import java.sql.SQLException;

/**
 * The operator's brake: while a source is paused its leader goes on leading but publishes nothing,
 * and so does every agent that leads after it. The database keeps the log meanwhile.
 */
public final class SourcePause {
  private static final String NO_RIGHT = "42501";
  private static final int ANSWER_TIMEOUT_SECONDS = 30;

  private final PipelineConfiguration pipeline;

  public SourcePause(PipelineConfiguration pipeline) {
    this.pipeline = pipeline;
  }

  /**
   * Pauses the source; a pause that is there already stays as it is.
   *
   * @return whether it was not paused before
   * @throws AgentException.Misconfigured the role may not
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
      String source = SourceNames.identify(connection, pipeline.source()).id();
      return question.ask(new SourceRegistry(pipeline.source()), connection, source);
    } catch (SQLException e) {
      throw failed(pipeline.source(), e);
    }
  }

  /** Why what an operator asked for could not be written down. */
  static AgentException failed(SourceConfiguration source, SQLException e) {
    String what =
        "database %s: %s%s"
            .formatted(
                source.database(),
                LockLimit.isOver(e) ? "nothing was changed: " : "",
                ServerMessage.of(e, source));
    if (NO_RIGHT.equals(e.getSQLState())) {
      return new AgentException.Misconfigured(
          what,
          "as superuser: GRANT outbox_controller TO %s; a role that schema/postgresql/05_roles.sql makes"
              .formatted(Identifiers.quoted(source.username())));
    }
    return new AgentException.Retryable(AgentException.Retryable.Side.DATABASE, what, e);
  }
}
