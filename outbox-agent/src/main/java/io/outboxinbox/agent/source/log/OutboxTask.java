package io.outboxinbox.agent.source.log;

import io.debezium.connector.postgresql.PostgresConnectorConfig;
import io.debezium.connector.postgresql.PostgresConnectorTask;
import io.debezium.connector.postgresql.PostgresSchema;
import io.debezium.connector.postgresql.connection.PostgresConnection;
import io.debezium.connector.postgresql.connection.ReplicationConnection;
import io.debezium.relational.TableId;
import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.OutboxTable;
import java.sql.SQLException;
import java.util.List;

/** Debezium's task, with a decoder that knows the outbox under every name it had. */
final class OutboxTask extends PostgresConnectorTask {
  private static final String ID =
      """
      SELECT c.oid::bigint AS id
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = ? AND c.relname = ?
      """;

  private final OutboxTable table;

  OutboxTask(OutboxTable table) {
    this.table = table;
  }

  @Override
  protected ReplicationConnection buildReplicationConnection(
      PostgresConnection connection, PostgresSchema schema, PostgresConnectorConfig config)
      throws SQLException {
    List<Long> found =
        CatalogQuery.list(
            connection.connection(), ID, row -> row.getLong("id"), table.schema(), table.name());
    if (found.isEmpty()) {
      // Preflight has seen it; without its id, rows under a name of then would be passed over.
      throw new SQLException("table " + table.schema() + "." + table.name() + " has gone");
    }
    TableId outbox = new TableId(null, table.schema(), table.name());
    return super.buildReplicationConnection(
        connection, new OutboxRelations(config, schema, outbox, found.get(0)), config);
  }
}
