package io.outboxinbox.agent.operate;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.reconcile.OtherBroker;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.SourceNames;
import io.outboxinbox.agent.source.inspect.SourcePreflight;
import io.outboxinbox.agent.source.slot.ServerState;
import io.outboxinbox.agent.source.slot.SlotState;
import io.outboxinbox.agent.source.table.TablePositions;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Compares the broker's checkpoint with what the database has, as a start does, without taking
 * anything over.
 */
public final class PositionCheck {
  private static final int ANSWER_TIMEOUT_SECONDS = 5;

  private PositionCheck() {}

  /**
   * Looks whether the pipeline could go on from where it stands.
   *
   * @return findings in the order of the checks
   * @throws io.outboxinbox.agent.event.AgentException the broker is away
   */
  public static List<Finding> run(PipelineConfiguration pipeline) {
    SourceConnections connections = new SourceConnections(pipeline.source());
    try (Connection connection = connections.open("check", ANSWER_TIMEOUT_SECONDS);
        Publisher publisher =
            pipeline.publish().newPublisher(new TablePositions(connection, pipeline.source()))) {
      SourceConfiguration source = SourceNames.resolved(connection, pipeline.source());
      // In this order, because a leader may move both: the slot never passes the position, and the
      // position never passes the server's log.
      Optional<SlotState> slot = SlotState.of(connection, source.slot());
      List<Checkpoint> checkpoints = publisher.allCheckpoints();
      ServerState server = ServerState.of(connection);
      if (server.inRecovery()) {
        // A replica has no slot and may lag; the look at the source says so.
        return List.of();
      }
      SourceIdentity identity = SourceNames.identity(server.systemId(), source);
      Optional<Checkpoint> checkpoint =
          checkpoints.stream().filter(candidate -> candidate.source().equals(identity)).findFirst();
      Optional<Finding> otherBroker =
          OtherBroker.of(pipeline, connection, publisher, identity.id());
      if (otherBroker.isPresent()) {
        return List.of(otherBroker.get());
      }
      return checkpoint.isPresent()
          ? compared(connection, source, slot, server, checkpoint.get())
          : SourcePreflight.checkSlot(connections, source, slot, server, null);
    } catch (SQLException e) {
      // The look at the source has said so already, and how to mend it.
      return List.of();
    }
  }

  private static List<Finding> compared(
      Connection connection,
      SourceConfiguration source,
      Optional<SlotState> slot,
      ServerState server,
      Checkpoint checkpoint)
      throws SQLException {
    List<Finding> findings =
        new ArrayList<>(
            SourcePreflight.checkPosition(connection, source, slot, server, checkpoint));
    if (findings.stream().noneMatch(finding -> finding.severity() == Finding.Severity.GAP)) {
      findings.add(
          Finding.ok(
              "position: sequence %d of epoch %d"
                  .formatted(checkpoint.sequence(), checkpoint.epoch())));
    }
    return findings;
  }
}
