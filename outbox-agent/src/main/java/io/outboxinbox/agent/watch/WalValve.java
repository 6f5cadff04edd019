package io.outboxinbox.agent.watch;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.configure.PipelineConfiguration.WhenSpent;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.source.SourceNames;
import io.outboxinbox.agent.source.slot.ReleasedSlot;
import io.outboxinbox.agent.source.table.SourceRegistry;
import java.sql.Connection;
import java.sql.SQLException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Lets go of the slot when the log kept for it has used its budget and nobody reads it, such as
 * while the broker is away. The rows stay in the table; whoever can publish again finds a gap, and
 * reconciles. Why so: docs/decisions/0012.
 */
final class WalValve {
  private static final Logger LOG = LoggerFactory.getLogger(WalValve.class);

  private final PipelineConfiguration pipeline;

  WalValve(PipelineConfiguration pipeline) {
    this.pipeline = pipeline;
  }

  /**
   * Drops the slot if all of the budget is used, unless it is being read: then a transaction that
   * stays open holds the log back, and a new slot would have to wait for it as well.
   *
   * @throws SQLException the database went away, or an agent began to read just now
   */
  void openIfSpent(Connection connection, WalBudget budget) throws SQLException {
    if (pipeline.wal().whenSpent() != WhenSpent.RELEASE || budget.usedRatio() < 1) {
      return;
    }
    SourceIdentity source = SourceNames.identify(connection, pipeline.source());
    boolean hasPosition =
        new SourceRegistry(pipeline.source())
            .find(connection, source.id())
            .filter(SourceRegistry.Registration::isSeeded)
            .isPresent();
    String slot = SourceNames.resolved(connection, pipeline.source()).slot();
    // Before that the slot alone says where to begin.
    if (hasPosition && ReleasedSlot.drop(connection, slot)) {
      LOG.error(
          "slot {} is dropped, as wal.whenSpent says: nobody read it, and its log had used the budget of {} MiB; the events stay in {}, and are published by a reconciliation as soon as publishing is possible",
          slot,
          budget.budgetBytes() >> 20,
          pipeline.source().table());
    }
  }
}
