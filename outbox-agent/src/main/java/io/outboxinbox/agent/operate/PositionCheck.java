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
import io.outboxinbox.agent.source.inspect.MissingPosition;
import io.outboxinbox.agent.source.inspect.SourcePreflight;
import io.outboxinbox.agent.source.slot.ServerState;
import io.outboxinbox.agent.source.slot.SlotState;
import io.outboxinbox.agent.source.table.TablePositions;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

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
    try (Connection connection =
            new SourceConnections(pipeline.source()).open("check", ANSWER_TIMEOUT_SECONDS);
        Publisher publisher =
            pipeline.publish().newPublisher(new TablePositions(connection, pipeline.source()))) {
      Look look = look(connection, pipeline, publisher);
      // A replica has no slot and may lag; the look at the source says so.
      return look.server().inRecovery() ? List.of() : ofStart(connection, pipeline, look);
    } catch (SQLException e) {
      // The look at the source has said so already, and how to mend it.
      return List.of();
    }
  }

  private static List<Finding> ofStart(
      Connection connection, PipelineConfiguration pipeline, Look look) throws SQLException {
    List<Finding> found = findings(connection, pipeline, look);
    boolean isFirst =
        look.checkpoint().isEmpty()
            && found.stream().map(Finding::severity).allMatch(Finding.Severity::goesOn);
    List<Finding> refused =
        isFirst
            ? SourcePreflight.checkFirstStart(
                connection, look.source(), look.identity().id(), look.slot())
            : List.of();
    if (refused.isEmpty()) {
      return found;
    }
    return Stream.concat(
            found.stream().filter(finding -> finding.severity() != Finding.Severity.OK),
            refused.stream())
        .toList();
  }

  /**
   * What was seen.
   *
   * @param source with the names that hold in the database
   * @param checkpoints all there are
   * @param otherBroker the gap, where they are of another broker
   */
  record Look(
      SourceConfiguration source,
      Optional<SlotState> slot,
      List<Checkpoint> checkpoints,
      ServerState server,
      Optional<Finding> otherBroker) {

    SourceIdentity identity() {
      return SourceNames.identity(server.systemId(), source);
    }

    /** Of this source, where it says something of this broker. */
    Optional<Checkpoint> checkpoint() {
      if (otherBroker.isPresent()) {
        return Optional.empty();
      }
      SourceIdentity identity = identity();
      return checkpoints.stream()
          .filter(candidate -> candidate.source().equals(identity))
          .findFirst();
    }
  }

  /**
   * Reads in this order, because a leader may move all of it: the slot never passes the position,
   * and the position never passes the server's log.
   */
  static Look look(Connection connection, PipelineConfiguration pipeline, Publisher publisher)
      throws SQLException {
    SourceConfiguration source = SourceNames.resolved(connection, pipeline.source());
    Optional<SlotState> slot = SlotState.of(connection, source.slot());
    List<Checkpoint> checkpoints = publisher.allCheckpoints();
    ServerState server = ServerState.of(connection);
    String id = SourceNames.identity(server.systemId(), source).id();
    return new Look(
        source, slot, checkpoints, server, OtherBroker.of(pipeline, connection, publisher, id));
  }

  /** The same of what was seen. */
  static List<Finding> findings(Connection connection, PipelineConfiguration pipeline, Look look)
      throws SQLException {
    SourceConfiguration source = look.source();
    if (look.otherBroker().isPresent()) {
      return List.of(look.otherBroker().get());
    }
    Optional<Checkpoint> checkpoint = look.checkpoint();
    if (checkpoint.isPresent()) {
      return compared(connection, source, look.slot(), look.server(), checkpoint.get());
    }
    List<Finding> missing =
        new MissingPosition(source, pipeline.name(), look.identity(), look.checkpoints())
            .explain(connection);
    return missing.isEmpty()
        ? SourcePreflight.checkSlot(
            new SourceConnections(source), source, look.slot(), look.server(), null)
        : missing;
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
