package io.outboxinbox.agent.source.log;

import io.debezium.connector.postgresql.PostgresConnectorConfig;
import io.debezium.connector.postgresql.PostgresConnectorTask;
import io.debezium.connector.postgresql.PostgresSchema;
import io.debezium.connector.postgresql.connection.PostgresConnection;
import io.debezium.connector.postgresql.connection.ReplicationConnection;
import io.debezium.relational.TableId;
import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.OutboxTable;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Debezium's task, with a decoder that knows each outbox under every name it had. */
final class OutboxTask extends PostgresConnectorTask {
  private static final String ID =
      """
      SELECT c.oid::bigint AS id
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = ? AND c.relname = ?
      """;

  private final List<OutboxTable> tables;

  OutboxTask(List<OutboxTable> tables) {
    this.tables = tables;
  }

  @Override
  protected ReplicationConnection buildReplicationConnection(
      PostgresConnection connection, PostgresSchema schema, PostgresConnectorConfig config)
      throws SQLException {
    Map<Integer, TableId> outboxes = new HashMap<>();
    for (OutboxTable table : tables) {
      outboxes.put(
          idOf(connection.connection(), table), new TableId(null, table.schema(), table.name()));
    }
    return super.buildReplicationConnection(
        connection, new OutboxRelations(config, schema, outboxes), config);
  }

  /** Unsigned 32 bits. */
  private static int idOf(Connection connection, OutboxTable table) throws SQLException {
    List<Long> found =
        CatalogQuery.list(connection, ID, row -> row.getLong("id"), table.schema(), table.name());
    if (found.isEmpty()) {
      // Preflight has seen it; without its id, rows under a name of then would be passed over.
      throw new SQLException("table " + table.schema() + "." + table.name() + " has gone");
    }
    return (int) (long) found.get(0);
  }
}
