package io.outboxinbox.agent.park;

import io.outboxinbox.agent.source.table.ParkedQueue;
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

/** The queue, and of the other statements each with the connection it needs. */
final class ParkedRows extends ParkedQueue implements ParkedEvents {
  private final ParkedTable table;
  private final Connection leader;
  private final Connection control;
  private final TopicTemplates rules;

  ParkedRows(
      String schema, String source, Connection leader, Connection control, TopicTemplates rules) {
    super(schema, source, leader, control);
    this.table = new ParkedTable(schema, source);
    this.leader = leader;
    this.control = control;
    this.rules = rules;
  }

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
}
