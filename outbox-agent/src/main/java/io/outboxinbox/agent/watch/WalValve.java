package io.outboxinbox.agent.watch;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.configure.PipelineConfiguration.WhenSpent;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.source.SourceNames;
import io.outboxinbox.agent.source.slot.ReleasedSlot;
import io.outboxinbox.agent.source.table.SourceRegistry;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Lets go of the slot when the log kept for it has used its budget and nobody reads it, such as
 * while the broker is away. The rows stay in the table; whoever can publish again finds a gap, and
 * reconciles. Why so: docs/decisions/0012. Used by one thread.
 */
final class WalValve {
  private static final Logger LOG = LoggerFactory.getLogger(WalValve.class);

  /**
   * Looks in a row, five seconds apart at least, at which nobody had read the slot since the one
   * before: a minute. A restart or a takeover is over by then.
   */
  static final int LOOKS = 13;

  /**
   * So many are enough where the server itself says that nobody has read the slot for a minute: an
   * agent that is started again and again would never come to more. Its own start takes less, and
   * another's is seen by its pulse.
   */
  static final int LOOKS_AFTER_A_MINUTE = 5;

  private final PipelineConfiguration pipeline;
  private final OwnLead own;

  private Optional<ReleasedSlot.Rest> rest = Optional.empty();
  private int looks;
  private long pulse = -1;

  WalValve(PipelineConfiguration pipeline, OwnLead own) {
    this.pipeline = pipeline;
    this.own = own;
  }

  /**
   * Takes a look at who reads, and tells whether the slot is to be let go of, as far as this agent
   * knows.
   *
   * @throws SQLException the database went away
   */
  boolean isDue(Connection connection, WalBudget budget) throws SQLException {
    if (pipeline.wal().whenSpent() != WhenSpent.RELEASE) {
      return false;
    }
    Optional<String> before = rest.map(ReleasedSlot.Rest::position);
    rest = ReleasedSlot.rest(connection, slot(connection));
    boolean isRead = rest.isEmpty() || !rest.map(ReleasedSlot.Rest::position).equals(before);
    looks = isRead ? 1 : looks + 1;
    boolean isLong = rest.filter(ReleasedSlot.Rest::isForAMinute).isPresent();
    int needed = isLong ? LOOKS_AFTER_A_MINUTE : LOOKS;
    return budget.usedRatio() >= 1 && looks >= needed && !own.isReading();
  }

  /** Begins to look anew: what happened meanwhile was not seen. */
  void reset() {
    rest = Optional.empty();
  }

  private String slot(Connection connection) throws SQLException {
    return SourceNames.resolved(connection, pipeline.source()).slot();
  }

  /** Another that leads knows itself whether it is about to read, and lets go if it is not. */
  private boolean hasAnotherPulsed(Connection connection, SourceIdentity source)
      throws SQLException {
    long before = pulse;
    pulse = new SourceRegistry(pipeline.source()).lastPulse(connection, source.id()).number();
    return pulse != before && !own.hasPulsed(source.id(), pulse);
  }

  /**
   * Drops the slot, unless it is being read: then a transaction that stays open holds the log back,
   * and a new slot would have to wait for it as well. Nor if another agent is about to.
   *
   * @throws SQLException the database went away, or an agent began to read just now
   */
  void open(Connection connection, WalBudget budget) throws SQLException {
    SourceIdentity source = SourceNames.identify(connection, pipeline.source());
    if (hasAnotherPulsed(connection, source)) {
      return;
    }
    String slot = slot(connection);
    SourceRegistry registry = new SourceRegistry(pipeline.source());
    boolean hasPosition =
        registry
            .find(connection, source.id())
            .filter(known -> known.isSeeded() && known.owns(slot, null))
            .isPresent();
    // Before that the slot alone says where to begin.
    if (hasPosition && ReleasedSlot.drop(connection, slot)) {
      registry.forgetSlot(connection, source.id(), slot);
      LOG.error(
          "slot {} is dropped, as wal.whenSpent says: nobody has read it for a minute, and its log had used the budget of {} MiB; the events stay in {}, and are published by a reconciliation as soon as publishing is possible",
          slot,
          budget.budgetBytes() >> 20,
          pipeline.source().tableNames());
    }
  }
}
