package io.outboxinbox.agent.park;

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

/** Gives each statement the connection it needs. */
record ParkedRows(
    ParkedTable table,
    ParkedQueue queue,
    Connection leader,
    Connection control,
    TopicTemplates rules)
    implements ParkedEvents {

  @Override
  public void insert(Portion portion) throws SQLException {
    table.insert(control, portion, rules);
  }

  @Override
  public List<String> join(Set<String> keys) throws SQLException {
    return table.join(control, keys);
  }

  @Override
  public void takeBack(long epoch, long lastOrdinal) throws SQLException {
    table.takeBack(leader, epoch, lastOrdinal);
    table.joinLanes(leader, rules);
  }

  @Override
  public Waiting scan(long lastOrdinal, KeyVisitor visitor) throws SQLException {
    return table.scan(control, lastOrdinal, visitor);
  }

  @Override
  public @Nullable Oldest oldest(long from, long lastOrdinal) throws SQLException {
    return table.oldest(control, from, lastOrdinal);
  }

  @Override
  public List<Requested> requested(long after, long lastOrdinal, int limit) throws SQLException {
    return queue.requested(control, after, lastOrdinal, limit);
  }

  @Override
  public List<Candidate> candidates(List<String> keys, int perKey, long lastOrdinal)
      throws SQLException {
    return queue.candidates(control, keys, perKey, lastOrdinal);
  }

  @Override
  public List<Taken> take(List<Long> ordinals, long release, long lastSequence)
      throws SQLException {
    return queue.take(leader, ordinals, release, lastSequence);
  }

  @Override
  public List<Taken> taken(long lastRelease) throws SQLException {
    return queue.taken(leader, lastRelease);
  }

  @Override
  public void postpone(long release, List<Long> first) throws SQLException {
    queue.postpone(leader, release, first);
  }

  @Override
  public void takeOut(List<Long> ordinals) throws SQLException {
    queue.takeOut(leader, ordinals);
  }

  @Override
  public void putBack(long lastRelease) throws SQLException {
    queue.putBack(leader, lastRelease);
  }

  @Override
  public void refuse(List<Refusal> refusals) throws SQLException {
    queue.refuse(leader, refusals);
  }

  @Override
  public List<@Nullable String> settle(long lastRelease) throws SQLException {
    return queue.settle(leader, lastRelease);
  }

  @Override
  public List<@Nullable String> discard(long lastOrdinal, int limit) throws SQLException {
    return queue.discard(leader, lastOrdinal, limit);
  }
}
