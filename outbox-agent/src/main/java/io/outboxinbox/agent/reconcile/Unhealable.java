package io.outboxinbox.agent.reconcile;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.event.WayOut;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration.ExistingRows;
import io.outboxinbox.agent.source.outbox.Outboxes;
import io.outboxinbox.agent.source.slot.PassedBound;
import io.outboxinbox.agent.source.table.SourceRegistry;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;

/**
 * What no reconciliation heals until an operator has decided. Leader and preview say the same, and
 * the leader says it before anything is changed.
 */
public final class Unhealable {
  private final SourceConfiguration source;
  private final SourceIdentity identity;

  public Unhealable(SourceConfiguration source, SourceIdentity identity) {
    this.source = source;
    this.identity = identity;
  }

  /**
   * Refuses it.
   *
   * @param connection without a limit to the time of an answer: the whole table may be read
   * @param hasSlot whether there is a slot of the configured name
   * @param own the slot that is the source's own
   * @throws AgentException.Misconfigured an operator has to decide
   */
  public void refuse(
      Connection connection, boolean hasSlot, Optional<String> own, PassedBound bound)
      throws SQLException {
    // It makes room for a new one; who has not read it has nothing to do with it.
    if (hasSlot && own.filter(source.slot()::equals).isEmpty()) {
      throw new AgentException.Misconfigured(
          "slot %s exists already, and source %s has not read it: it may be somebody else's"
              .formatted(source.slot(), identity.id()),
          "set source.slot to a name that no slot of the server has; or, to begin where this slot stands, "
              + WayOut.beginFrom(source.slot())
              + "; or, if it is this source's own, such as from before an upgrade, say so: "
              + new SourceRegistry(source).claim(identity.id()));
    }
    List<String> skipped =
        source.outboxes().stream()
            .filter(table -> table.existingRows() == ExistingRows.SKIP)
            .filter(table -> !bound.tellsSkippedRows(table))
            .map(OutboxTable::name)
            .toList();
    if (!skipped.isEmpty()) {
      throw new AgentException.Misconfigured(
          "existingRows of table %s is skip, and without a known position rows that were never to be published cannot be told from rows that were missed"
              .formatted(String.join(", ", skipped)),
          "set existingRows to publish, which publishes every row that is in no topic, or"
              + " stop every agent of the source and run "
              + WayOut.RESET_LEAVING_OUT_COMMAND
              + " to publish only what is written from now on");
    }
    new Outboxes(source.outboxes()).refuseRowsWithoutId(connection, bound::candidates);
  }
}
