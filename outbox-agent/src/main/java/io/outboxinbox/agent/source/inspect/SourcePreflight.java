package io.outboxinbox.agent.source.inspect;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.WayOut;
import io.outboxinbox.agent.source.ConnectionFailure;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.PublicationMark;
import io.outboxinbox.agent.source.ServerMessage;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.SourceNames;
import io.outboxinbox.agent.source.Sql;
import io.outboxinbox.agent.source.slot.CoveredTables;
import io.outboxinbox.agent.source.slot.FailoverSlot;
import io.outboxinbox.agent.source.slot.ServerState;
import io.outboxinbox.agent.source.slot.SlotState;
import io.outboxinbox.agent.source.slot.TimelineHistory;
import io.outboxinbox.agent.source.table.ParkedTable;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Looks at the source database without changing it, before every start and while running. A few
 * catalog queries, each bounded by seconds; no state, any thread, no log lines.
 */
public final class SourcePreflight {
  private static final int ANSWER_TIMEOUT_SECONDS = 5;

  private SourcePreflight() {}

  /**
   * Connects and looks.
   *
   * @return as {@link #check(Connection, SourceConfiguration, boolean)}; one finding when there is
   *     no connection
   */
  public static List<Finding> check(SourceConfiguration config, boolean keepsPositions) {
    SourceConnections connections = new SourceConnections(config);
    try (Connection connection = connections.open("preflight", ANSWER_TIMEOUT_SECONDS)) {
      return look(connection, connections, config, keepsPositions);
    } catch (SQLException e) {
      return List.of(ConnectionFailure.explain(e, config));
    } catch (AgentException.Misconfigured e) {
      // Before anything was sent: the password's file is not there or empty.
      return List.of(
          Finding.misconfigured(String.valueOf(e.getMessage()), "correct source.passwordFile"));
    }
  }

  private static List<Finding> look(
      Connection connection,
      SourceConnections connections,
      SourceConfiguration config,
      boolean keepsPositions) {
    List<Finding> findings = new ArrayList<>();
    try {
      findings.addAll(check(connection, config, keepsPositions));
    } catch (SQLException e) {
      // The same SQLStates mean other things once there is a connection.
      findings.add(
          Finding.misconfigured(
              "looking at database %s failed: %s (SQLState %s)"
                  .formatted(config.database(), ServerMessage.of(e, config), e.getSQLState()),
              "see the message and the server's log"));
    }
    replication(connections, config).ifPresent(findings::add);
    return findings;
  }

  /** What keeps a session of the replication protocol from coming about; a pooler does. */
  private static Optional<Finding> replication(
      SourceConnections connections, SourceConfiguration config) {
    try (Connection replication =
        connections.openReplication("preflight", SourceConnections.ANSWER_TIMEOUT_SECONDS)) {
      Sql.run(replication, "IDENTIFY_SYSTEM");
      return Optional.empty();
    } catch (SQLException e) {
      return ConnectionFailure.explainReplication(e, config);
    }
  }

  /**
   * Looks at server, role, table, publication and the agent's tables. Whether rows were missed in
   * the meantime is not seen here: call {@link #checkPosition}.
   *
   * @param connection to the source database, not closed
   * @param keepsPositions whether positions are in the database, which needs a table for them
   * @return in the order in which fixes should be made; OK findings included
   * @throws SQLException the connection broke or an answer took too long; look again later
   */
  public static List<Finding> check(
      Connection connection, SourceConfiguration configured, boolean keepsPositions)
      throws SQLException {
    return look(connection, configured, keepsPositions, true);
  }

  /** The same without what keeps only a start from reading. */
  public static List<Finding> checkWhileReading(
      Connection connection, SourceConfiguration configured, boolean keepsPositions)
      throws SQLException {
    return look(connection, configured, keepsPositions, false);
  }

  private static List<Finding> look(
      Connection connection,
      SourceConfiguration configured,
      boolean keepsPositions,
      boolean isStart)
      throws SQLException {
    SourceConfiguration config = SourceNames.resolved(connection, configured);
    ServerPreflight.Facts server = ServerPreflight.facts(connection, config);
    List<Finding> findings = new ArrayList<>(ServerPreflight.check(server, config));
    if (server.isUseless()) {
      return findings;
    }
    SqlNames names = server.names();
    findings.addAll(checkTables(connection, config, server));
    if (isStart) {
      findings.addAll(TypesPreflight.check(connection));
    }
    for (int i = 0; i < config.outboxes().size(); i++) {
      findings.addAll(
          PartitionsPreflight.check(connection, config.outboxes().get(i), server.namesOf(i)));
    }
    findings.addAll(AgentTablesPreflight.check(connection, config, names, keepsPositions));
    findings.addAll(MessagePreflight.check(connection, names));
    for (OutboxTable outbox : config.outboxes()) {
      findings.addAll(SearchPathPreflight.check(connection, outbox, names));
    }
    findings.addAll(FailoverSlot.check(connection, config));
    findings.addAll(SlotPreflight.checkKind(connection, config));
    // Several tables may have the same to say of what they share.
    return findings.stream().distinct().toList();
  }

  private static List<Finding> checkTables(
      Connection connection, SourceConfiguration config, ServerPreflight.Facts server)
      throws SQLException {
    List<Finding> findings = new ArrayList<>();
    for (int i = 0; i < config.outboxes().size(); i++) {
      OutboxTable outbox = config.outboxes().get(i);
      SqlNames names = server.namesOf(i);
      Optional<TablePreflight.Relation> table = TablePreflight.relation(connection, outbox);
      if (table.isPresent()) {
        findings.addAll(TablePreflight.check(connection, outbox, names, table.get()));
      } else {
        findings.add(TablePreflight.missing(connection, config, outbox));
      }
      findings.addAll(PublicationPreflight.check(connection, config, outbox, names, table));
    }
    return findings;
  }

  /**
   * Reads slot, server and timelines, and judges whether everything after the checkpoint still
   * comes through the slot.
   *
   * @param connections for the replication protocol, which alone tells of timelines
   * @param checkpoint last durable one; null at the very first start
   * @return one OK finding when all is well
   * @throws SQLException as {@link #check(Connection, SourceConfiguration, boolean)}
   */
  public static List<Finding> checkSlot(
      Connection connection,
      SourceConnections connections,
      SourceConfiguration config,
      @Nullable Checkpoint checkpoint)
      throws SQLException {
    return checkSlot(
        connections,
        config,
        SlotState.of(connection, config.slot()),
        ServerState.of(connection),
        checkpoint);
  }

  /**
   * Whether a source without a position may begin with the slot that is there.
   *
   * @return what forbids it; empty when nothing does
   * @throws SQLException as {@link #check(Connection, SourceConfiguration, boolean)}
   */
  public static List<Finding> checkFirstStart(
      Connection connection, SourceConfiguration config, String sourceId, Optional<SlotState> slot)
      throws SQLException {
    return SlotPreflight.checkFirstStart(connection, config, sourceId, slot);
  }

  /**
   * Reads the server's timelines, and judges as the other one does.
   *
   * @throws SQLException as {@link #check(Connection, SourceConfiguration, boolean)}
   */
  public static List<Finding> checkSlot(
      SourceConnections connections,
      SourceConfiguration config,
      Optional<SlotState> slot,
      ServerState server,
      @Nullable Checkpoint checkpoint)
      throws SQLException {
    TimelineHistory history =
        checkpoint == null
            ? TimelineHistory.only(server.timeline())
            : TimelineHistory.of(connections, server, checkpoint);
    return SlotPreflight.check(config, slot, server, history, checkpoint);
  }

  /**
   * Judges whether a position can be gone on from: all that lies behind it still comes, and all
   * that it covers is still there. What a start does and what a check says rest on this alone.
   *
   * @param slot read before the checkpoint where a leader may move both
   * @return as {@link #checkSlot}, and more where the publication or parked events are not what
   *     they were
   * @throws SQLException as {@link #check(Connection, SourceConfiguration, boolean)}
   */
  public static List<Finding> checkPosition(
      Connection connection,
      SourceConfiguration config,
      Optional<SlotState> slot,
      ServerState server,
      Checkpoint checkpoint)
      throws SQLException {
    List<Finding> findings =
        new ArrayList<>(checkSlot(new SourceConnections(config), config, slot, server, checkpoint));
    if (slot.isPresent()) {
      findings.addAll(SlotPreflight.checkOwner(connection, config, checkpoint));
    }
    String mark = PublicationMark.of(connection, config);
    findings.addAll(PublicationMark.compare(config, checkpoint.publicationMark(), mark));
    List<String> renamed =
        CoveredTables.between(config, checkpoint.publicationMark(), mark).renamed();
    if (!renamed.isEmpty() && !checkpoint.isBacklogDone()) {
      findings.add(
          Finding.gap(
              "table %s, was renamed while rows older than the slot were still to be published: their list has the name of before"
                  .formatted(String.join(", ", renamed)),
              WayOut.RECONCILE));
    }
    if (ParkedTable.areMissing(connection, config.schema(), checkpoint, server.timeline())) {
      findings.add(
          Finding.gap(
              "the position of timeline %d covers %d parked events, but the server, now on timeline %d, has not all of them: it was promoted or restored without them"
                  .formatted(
                      checkpoint.timeline(), checkpoint.parking().lastOrdinal(), server.timeline()),
              WayOut.RECONCILE));
    }
    return findings;
  }
}
