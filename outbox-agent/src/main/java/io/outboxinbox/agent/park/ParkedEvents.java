package io.outboxinbox.agent.park;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.source.table.ParkedQueue;
import io.outboxinbox.agent.source.table.ParkedQueue.Candidate;
import io.outboxinbox.agent.source.table.ParkedQueue.Refusal;
import io.outboxinbox.agent.source.table.ParkedQueue.Requested;
import io.outboxinbox.agent.source.table.ParkedQueue.Taken;
import io.outboxinbox.agent.source.table.ParkedTable;
import io.outboxinbox.agent.source.table.ParkedTable.KeyVisitor;
import io.outboxinbox.agent.source.table.ParkedTable.Oldest;
import io.outboxinbox.agent.source.table.ParkedTable.Portion;
import io.outboxinbox.agent.source.table.ParkedTable.TopicTemplates;
import io.outboxinbox.agent.source.table.ParkedTable.Waiting;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * One source's parked events, for the agent that leads it. Each call is durable when it returns.
 * Used by one thread. What each call does and promises: {@link ParkedTable}, {@link ParkedQueue}.
 */
public interface ParkedEvents {

  /**
   * The events in the source database.
   *
   * @param schema of the agent's tables
   * @param source its id
   * @param leader the session that holds the leadership lock
   * @param control for what an agent that has been replaced may do without harm; in auto-commit
   *     mode
   * @param rules how topics are chosen; see {@link ParkedTable#joinLanes}
   */
  static ParkedEvents in(
      String schema, String source, Connection leader, Connection control, TopicTemplates rules) {
    return new ParkedRows(schema, source, leader, control, rules);
  }

  /** {@link ParkedTable#insert}. */
  void insert(Portion portion) throws SQLException;

  /** {@link ParkedTable#join}. */
  List<String> join(Set<String> keys) throws SQLException;

  /**
   * {@link ParkedTable#takeBack}, then {@link ParkedTable#joinLanes}.
   *
   * @throws AgentException.Fatal the position is older than the table
   */
  void takeBack(long epoch, long lastOrdinal) throws SQLException;

  /** {@link ParkedTable#scan}. */
  Waiting scan(long lastOrdinal, KeyVisitor visitor) throws SQLException;

  /** {@link ParkedTable#oldest}. */
  @Nullable Oldest oldest(long from, long lastOrdinal) throws SQLException;

  /** {@link ParkedQueue#requested}. */
  List<Requested> requested(long after, long lastOrdinal, int limit) throws SQLException;

  /** {@link ParkedQueue#candidates}. */
  List<Candidate> candidates(List<String> keys, int perKey, long lastOrdinal) throws SQLException;

  /** {@link ParkedQueue#take}. */
  List<Taken> take(List<Long> ordinals, long release, long lastSequence) throws SQLException;

  /** {@link ParkedQueue#taken}. */
  List<Taken> taken(long lastRelease) throws SQLException;

  /** {@link ParkedQueue#postpone}. */
  void postpone(long release, List<Long> first) throws SQLException;

  /** {@link ParkedQueue#takeOut}. */
  void takeOut(List<Long> ordinals) throws SQLException;

  /** {@link ParkedQueue#putBack}. */
  void putBack(long lastRelease) throws SQLException;

  /** {@link ParkedQueue#refuse}. */
  void refuse(List<Refusal> refusals) throws SQLException;

  /** {@link ParkedQueue#settle}. */
  List<@Nullable String> settle(long lastRelease) throws SQLException;

  /** {@link ParkedQueue#discard}. */
  List<@Nullable String> discard(long lastOrdinal, int limit) throws SQLException;
}
