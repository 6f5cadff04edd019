package io.outboxinbox.agent.source.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.debezium.config.Configuration;
import io.debezium.connector.common.CdcSourceTaskContext;
import io.debezium.connector.postgresql.PostgresConnectorConfig;
import io.debezium.connector.postgresql.PostgresSchema;
import io.debezium.relational.Table;
import io.debezium.relational.TableId;
import io.outboxinbox.agent.source.Sources;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;

class OutboxRelationsTest {
  private static final TableId ONE = new TableId(null, "public", "one");
  private static final TableId OTHER = new TableId(null, "public", "other");
  private static final PostgresConnectorConfig CONFIG =
      new PostgresConnectorConfig(Configuration.from(ConnectorSettings.of(Sources.standard(), 1)));

  private final TaskSchema task = new TaskSchema();
  private final OutboxRelations relations =
      new OutboxRelations(CONFIG, task, Map.of(1, ONE, 2, OTHER));

  /** What the task would make schemas of. */
  private static final class TaskSchema extends PostgresSchema {
    private final List<TableId> made = new ArrayList<>();

    TaskSchema() {
      super(
          new CdcSourceTaskContext<>(Configuration.empty(), CONFIG, Map.of()),
          null,
          null,
          null,
          null);
    }

    @Override
    public void applySchemaChangesForTable(int relation, Table table) {
      made.add(table.id());
    }
  }

  private void tell(int relation, TableId name) {
    relations.applySchemaChangesForTable(relation, Table.editor().tableId(name).create());
  }

  private TableId outboxOf(int relation) {
    return Objects.requireNonNull(relations.tableFor(relation)).id();
  }

  /** An event and an outbox row in each transaction: a new layout for each would cost dearly. */
  @Test
  void keepsOneLayoutOfEachTableWhileTheyTakeTurns() {
    tell(1, ONE);
    tell(2, OTHER);
    for (int i = 0; i < 5; i++) {
      assertThat(outboxOf(1)).isEqualTo(ONE);
      assertThat(outboxOf(2)).isEqualTo(OTHER);
    }
    assertThat(task.made).containsExactly(ONE, OTHER);
  }

  @Test
  void changesTheLayoutWhileRelationsOfOneTableTakeTurns() {
    tell(1, ONE);
    // The one before it, dropped since.
    tell(9, ONE);
    assertThat(outboxOf(1)).isEqualTo(ONE);
    assertThat(outboxOf(9)).isEqualTo(ONE);
    assertThat(task.made).containsExactly(ONE, ONE, ONE, ONE);
  }

  @Test
  void goesByTheIdThenTheNameThenWhatItWas() {
    tell(1, OTHER);
    tell(9, OTHER);
    tell(9, new TableId(null, "public", "away"));
    tell(8, new TableId(null, "public", "foreign"));
    assertThat(outboxOf(1)).isEqualTo(ONE);
    assertThat(outboxOf(9)).isEqualTo(OTHER);
    assertThat(relations.tableFor(8)).isNull();
  }
}
