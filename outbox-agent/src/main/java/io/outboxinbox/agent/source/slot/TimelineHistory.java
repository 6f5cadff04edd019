package io.outboxinbox.agent.source.slot;

import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Lsn;
import io.outboxinbox.agent.source.SourceConnections;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalLong;

/**
 * Which timelines the server's log is made of. Every promotion and point-in-time recovery begins a
 * new one; what the old one wrote after that point is in no log of this server.
 *
 * @param timeline the one being written
 * @param ends where each earlier one was left, by number
 */
public record TimelineHistory(int timeline, Map<Integer, Long> ends) {

  public TimelineHistory {
    ends = Map.copyOf(ends);
  }

  /** Of a server that still writes the timeline asked about. */
  public static TimelineHistory only(int timeline) {
    return new TimelineHistory(timeline, Map.of());
  }

  /**
   * Reads the history, unless the checkpoint is of the timeline being written.
   *
   * @throws SQLException as the server says
   */
  public static TimelineHistory of(
      SourceConnections connections, ServerState server, Checkpoint checkpoint)
      throws SQLException {
    if (server.timeline() == checkpoint.timeline() || server.timeline() <= 1) {
      return only(server.timeline());
    }
    try (Connection replication =
            connections.openReplication("timeline", SourceConnections.ANSWER_TIMEOUT_SECONDS);
        Statement statement = replication.createStatement();
        ResultSet history = statement.executeQuery("TIMELINE_HISTORY " + server.timeline())) {
      history.next();
      return parse(server.timeline(), history.getString("content"));
    }
  }

  /**
   * Reads the lines of a history file: number, LSN and reason, separated by tabs.
   *
   * @throws SQLException a line is none of these
   */
  static TimelineHistory parse(int timeline, String content) throws SQLException {
    Map<Integer, Long> ends = new HashMap<>();
    for (String line : content.lines().toList()) {
      String[] parts = line.strip().split("\\s+", 3);
      if (parts[0].isEmpty() || parts[0].startsWith("#")) {
        continue;
      }
      try {
        ends.put(Integer.parseInt(parts[0]), Lsn.parse(parts[1]));
      } catch (NumberFormatException | ArrayIndexOutOfBoundsException e) {
        throw new SQLException("history of timeline " + timeline + ": unreadable line", e);
      }
    }
    return new TimelineHistory(timeline, ends);
  }

  /** Where the server's history leaves a timeline; empty if it never was on it. */
  public OptionalLong endOf(int other) {
    if (other == timeline) {
      return OptionalLong.of(Long.MAX_VALUE);
    }
    Long end = ends.get(other);
    return end == null ? OptionalLong.empty() : OptionalLong.of(end);
  }

  /** Whether the log up to the checkpoint's position is part of this server's history. */
  public boolean contains(Checkpoint checkpoint) {
    OptionalLong end = endOf(checkpoint.timeline());
    return end.isPresent() && checkpoint.position().commitLsn() <= end.getAsLong();
  }
}
