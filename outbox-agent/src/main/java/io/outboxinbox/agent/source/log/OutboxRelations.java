package io.outboxinbox.agent.source.log;

import io.debezium.config.Configuration;
import io.debezium.connector.common.CdcSourceTaskContext;
import io.debezium.connector.postgresql.PostgresConnectorConfig;
import io.debezium.connector.postgresql.PostgresSchema;
import io.debezium.relational.Table;
import io.debezium.relational.TableId;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Which relations of the log are an outbox, and how their rows are laid out. The log tells a
 * relation's id, and its name at that moment. Debezium goes by the name alone and passes over rows
 * written while it was another; of a partitioned table the name is told once, so all rows after
 * them too. A renamed table keeps its id, and one that was made anew has the name: either will do.
 * The id counts first, since two outboxes may have swapped their names.
 *
 * <p>Every such relation is handed on under the configured name, the only one that the task's own
 * schema reads and lets pass. Used by the thread that decodes.
 */
final class OutboxRelations extends PostgresSchema {
  private final PostgresSchema schema;

  /** As they are called today, by their ids. */
  private final Map<Integer, TableId> outboxes;

  /** By relation, under the name of its outbox. */
  private final Map<Integer, Table> layouts = new HashMap<>();

  /** The relation of each outbox whose layout the task's schema has. */
  private final Map<TableId, Integer> current = new HashMap<>();

  /**
   * Stands before the schema of a task, and of its own uses nothing.
   *
   * @param outboxes names by ids, which are unsigned 32 bits
   */
  OutboxRelations(
      PostgresConnectorConfig config, PostgresSchema schema, Map<Integer, TableId> outboxes) {
    super(
        new CdcSourceTaskContext<>(Configuration.empty(), config, Map.of()),
        null,
        null,
        null,
        null);
    this.schema = schema;
    this.outboxes = outboxes;
  }

  @Override
  public void applySchemaChangesForTable(int relation, Table table) {
    @Nullable TableId outbox = outboxOf(relation, table.id());
    if (outbox != null) {
      layouts.put(relation, table.edit().tableId(outbox).create());
      use(relation);
    }
  }

  private @Nullable TableId outboxOf(int relation, TableId name) {
    @Nullable TableId byId = outboxes.get(relation);
    if (byId != null) {
      return byId;
    }
    if (outboxes.containsValue(name)) {
      return name;
    }
    @Nullable Table before = layouts.get(relation);
    return before == null ? null : before.id();
  }

  @Override
  public @Nullable Table tableFor(int relation) {
    @Nullable Table layout = layouts.get(relation);
    if (layout != null && !Objects.equals(current.get(layout.id()), relation)) {
      use(relation);
    }
    return layout;
  }

  /**
   * Rows are converted as the task's schema says, which knows one layout of a name. Each change
   * costs it a new one, so outboxes that take turns keep theirs.
   */
  private void use(int relation) {
    Table layout = Objects.requireNonNull(layouts.get(relation));
    schema.applySchemaChangesForTable(relation, layout);
    current.put(layout.id(), relation);
  }

  @Override
  public Table tableFor(TableId table) {
    return schema.tableFor(table);
  }
}
