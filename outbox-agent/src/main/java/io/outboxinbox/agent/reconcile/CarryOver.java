package io.outboxinbox.agent.reconcile;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Checkpoint.Parking;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.park.ParkingCarryOver;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.table.Reconciliations.Request;
import io.outboxinbox.agent.source.table.SourceMove;
import io.outboxinbox.agent.source.table.WholeChange;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What one reconciliation takes along of the cluster its database was before, whose position it
 * goes on from, unless it has one of its own.
 */
final class CarryOver {
  private final Reconcile.Lead lead;
  private final SourceConfiguration source;
  private final SourceIdentity identity;
  private final @Nullable SourceIdentity former;
  private final @Nullable Checkpoint base;

  /** Number of the last batch the former one has published, where its position is not the base. */
  private long lastOfFormer;

  CarryOver(Reconcile.Lead lead, @Nullable Request request, @Nullable Checkpoint base) {
    this.lead = lead;
    this.source = lead.pipeline().source();
    this.identity = lead.leadership().source();
    this.former = request == null ? null : request.former(identity).orElse(null);
    this.base = base;
    if (base != null && goesOnFromFormer() && !base.source().equals(former)) {
      throw new AgentException.Retryable(
          "the request to go on from the position of %s was replaced meanwhile"
              .formatted(base.source().id()));
    }
  }

  /** Whose parked events it reads and writes, so that nobody decides about them meanwhile. */
  Set<String> sources() {
    return former == null ? Set.of() : Set.of(former.id(), identity.id());
  }

  private boolean goesOnFromFormer() {
    return base != null && !base.source().equals(identity);
  }

  /**
   * Shuts the former one out where nobody has done so yet. A position of its own first covers the
   * numbers that what is carried over will have: what it does not cover would be taken back, should
   * this attempt end before the next position.
   */
  void prepare(WholeChange change) throws SQLException {
    @Nullable SourceIdentity other = former;
    if (other == null || goesOnFromFormer()) {
      return;
    }
    lastOfFormer =
        lead.publisher()
            .takeOver(other)
            .map(position -> position.parking().lastRelease())
            .orElse(0L);
    lead.publisher().takeOver(identity);
    @Nullable Checkpoint own = base;
    if (own != null) {
      Parking parking = own.parking();
      long highest =
          change.make(
              "looking for what is parked",
              sources(),
              connection -> {
                ParkingCarryOver.takeBack(connection, source, own);
                return new ParkingCarryOver(connection, source, identity.id()).highest(other.id());
              });
      Parking covered =
          new Parking(Math.max(parking.lastOrdinal(), highest), parking.lastRelease());
      lead.publisher().write(own.withParking(covered));
    }
  }

  /** Before candidates are compared with what is parked; returns what to know about it. */
  Optional<String> run(Connection connection) throws SQLException {
    if (base != null) {
      ParkingCarryOver.takeBack(connection, source, base);
    }
    if (former == null) {
      return Optional.empty();
    }
    SourceMove move = new SourceMove(source, former.id(), identity.id());
    if (!goesOnFromFormer()) {
      move.settleBatches(connection, lastOfFormer, base == null ? 0 : base.parking().lastRelease());
    }
    return move.run(connection);
  }

  /** How far the next position covers what is parked. */
  Parking parking() throws SQLException {
    ParkingCarryOver parked =
        new ParkingCarryOver(lead.leadership().connection(), source, identity.id());
    if (base == null) {
      return parked.adopt();
    }
    if (goesOnFromFormer()) {
      return parked.moved(base.parking());
    }
    return former == null ? base.parking() : parked.joined(base.parking());
  }
}
