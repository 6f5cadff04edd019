package io.outboxinbox.agent.source.log;

import io.debezium.connector.common.DebeziumTaskState;
import io.debezium.connector.postgresql.PostgresConnector;
import io.debezium.connector.postgresql.PostgresConnectorTask;
import io.outboxinbox.agent.source.SocketGroup;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.Sql;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.storage.OffsetStorageReader;

/**
 * Lets Debezium do once, without the slot, most of what reading the log takes: a standby that has
 * loaded these classes takes over sooner. It reads the agent's own table of one row as a snapshot,
 * the only mode of Debezium that neither needs nor makes a slot.
 */
public final class LogRehearsal {
  private static final Duration ENDS_WITHIN = Duration.ofSeconds(20);

  private LogRehearsal() {}

  /**
   * Goes through it, in a few seconds at most; changes nothing.
   *
   * @throws SQLException the database is away or refuses
   */
  public static void run(SourceConfiguration source) throws SQLException, InterruptedException {
    try (Connection replication =
        new SourceConnections(source)
            .openReplication("rehearsal", SourceConnections.ANSWER_TIMEOUT_SECONDS)) {
      Sql.run(replication, "IDENTIFY_SYSTEM");
    }
    PostgresConnectorTask task = new PostgresConnectorTask();
    PostgresConnector connector = new PostgresConnector();
    task.initialize(new ConnectContext(new NoOffset()));
    try (SocketGroup sockets = SocketGroup.open()) {
      run(source, task, connector, sockets);
    }
  }

  private static void run(
      SourceConfiguration source,
      PostgresConnectorTask task,
      PostgresConnector connector,
      SocketGroup sockets)
      throws SQLException, InterruptedException {
    try {
      connector.start(settings(source, sockets));
      sockets.run(ENDS_WITHIN, () -> task.start(connector.taskConfigs(1).get(0)));
      long deadline = System.nanoTime() + ENDS_WITHIN.toNanos();
      boolean hasRead = false;
      // One that has failed would start again by itself, with nobody to end it.
      while (!hasRead
          && task.getTaskState() == DebeziumTaskState.RUNNING
          && System.nanoTime() - deadline < 0) {
        List<SourceRecord> polled = task.poll();
        hasRead = polled != null && !polled.isEmpty();
      }
    } finally {
      connector.stop();
      sockets.run(ENDS_WITHIN, task::stop);
    }
  }

  private static Map<String, String> settings(SourceConfiguration source, SocketGroup sockets)
      throws SQLException {
    Map<String, String> settings = ConnectorSettings.of(source, 1);
    settings.put(ConnectorSettings.SOCKETS, sockets.name());
    settings.put(ConnectorSettings.OPTIONS, new SourceConnections(source).optionsOfReader());
    // Names JMX beans beside those of the real reader.
    settings.put("topic.prefix", ConnectorSettings.prefix(source) + "_rehearsal");
    settings.put("name", ConnectorSettings.prefix(source) + "_rehearsal");
    settings.put("snapshot.mode", "initial_only");
    settings.put(
        ConnectorSettings.TABLES,
        ConnectorSettings.pattern(source.schema(), "outbox_agent_source"));
    settings.put("provide.transaction.metadata", "false");
    return settings;
  }

  /** There is nothing to go on from. */
  private static final class NoOffset implements OffsetStorageReader {
    @Override
    public <T> Map<String, Object> offset(Map<String, T> partition) {
      return Map.of();
    }

    @Override
    public <T> Map<Map<String, T>, Map<String, Object>> offsets(
        Collection<Map<String, T>> partitions) {
      return Map.of();
    }
  }
}
