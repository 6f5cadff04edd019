package io.outboxinbox.agent.source.log;

import io.debezium.config.Configuration;
import io.debezium.connector.common.CdcSourceTaskContext;
import io.debezium.connector.postgresql.PostgresConnectorConfig;
import io.debezium.connector.postgresql.PostgresSchema;
import io.debezium.relational.Table;
import io.debezium.relational.TableId;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Which relations of the log are the outbox, and how their rows are laid out. The log tells a
 * relation's id, and its name at that moment. Debezium goes by the name alone and passes over rows
 * written while it was another; of a partitioned table the name is told once, so all rows after
 * them too. A renamed table keeps its id, and one that was made anew has the name: either will do.
 *
 * <p>Every such relation is handed on under the configured name, the only one that the task's own
 * schema reads and lets pass. Used by the thread that decodes.
 */
final class OutboxRelations extends PostgresSchema {
  private final PostgresSchema schema;
  private final TableId outbox;
  private final Map<Integer, Table> layouts = new HashMap<>();
  private final int id;
  private int current;

  /**
   * Stands before the schema of a task, and of its own uses nothing.
   *
   * @param outbox as it is called today
   * @param id of that table; unsigned 32 bits
   */
  OutboxRelations(PostgresConnectorConfig config, PostgresSchema schema, TableId outbox, long id) {
    super(
        new CdcSourceTaskContext<>(Configuration.empty(), config, Map.of()),
        null,
        null,
        null,
        null);
    this.schema = schema;
    this.outbox = outbox;
    this.id = (int) id;
  }

  @Override
  public void applySchemaChangesForTable(int relation, Table table) {
    if (relation == id || table.id().equals(outbox) || layouts.containsKey(relation)) {
      layouts.put(relation, table.edit().tableId(outbox).create());
      use(relation);
    }
  }

  @Override
  public @Nullable Table tableFor(int relation) {
    if (relation != current && layouts.containsKey(relation)) {
      use(relation);
    }
    return layouts.get(relation);
  }

  /** Rows are converted as the task's schema says, which knows one layout of a name. */
  private void use(int relation) {
    schema.applySchemaChangesForTable(relation, layouts.get(relation));
    current = relation;
  }

  @Override
  public Table tableFor(TableId table) {
    return schema.tableFor(table);
  }
}
