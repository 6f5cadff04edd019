package io.outboxinbox.agent.source.inspect;

import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.event.WayOut;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.table.SourceRegistry;
import io.outboxinbox.agent.source.table.SourceRegistry.Registration;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;

/**
 * Why the broker may have no position of a source that has published before: the database moved,
 * the position was lost, or the source got another name. What a start does and what a check says
 * rest on this alone.
 */
public final class MissingPosition {
  private MissingPosition() {}

  /**
   * Looks for a reason.
   *
   * @param pipeline its name in the configuration
   * @param checkpoints all that the broker has
   * @return one finding; none when there never was a position
   * @throws SQLException the connection broke; look again later
   */
  public static List<Finding> explain(
      Connection connection,
      SourceConfiguration source,
      String pipeline,
      SourceIdentity identity,
      List<Checkpoint> checkpoints)
      throws SQLException {
    // First, and also where this very cluster has published before: what was decided about parked
    // events since then is with the other one.
    Optional<Finding> rebuilt =
        checkpoints.stream()
            .filter(other -> other.isOfRebuiltCluster(pipeline, identity))
            .map(other -> rebuilt(pipeline, identity, other.source().systemId()))
            .findFirst();
    if (rebuilt.isPresent()) {
      return List.of(rebuilt.get());
    }
    SourceRegistry registry = new SourceRegistry(source);
    Optional<Registration> known = registry.find(connection, identity.id());
    return known.filter(Registration::isSeeded).isPresent()
        ? List.of(lost(identity, known.get().epoch()))
        : registry.renamed(connection, identity.systemId(), identity.id()).stream()
            .map(before -> renamed(source, identity, before))
            .toList();
  }

  private static Finding rebuilt(String pipeline, SourceIdentity identity, String before) {
    return Finding.fatal(
        "pipeline %s published from cluster %s, but now finds cluster %s: the database was rebuilt or migrated, and its log cannot be compared"
            .formatted(pipeline, before, identity.systemId()),
        "if this is another database, give its pipeline a name of its own; otherwise: "
            + WayOut.acceptCluster(before));
  }

  private static Finding lost(SourceIdentity identity, long epoch) {
    return Finding.gap(
        "source %s has published before (epoch %d), but the broker has no checkpoint of it: another cluster is configured, or the position topic was lost"
            .formatted(identity.id(), epoch),
        "point publish at the right cluster; if the position is lost: " + WayOut.RECONCILE);
  }

  /** Everything would be published again, under an id that nobody knows. */
  private static Finding renamed(
      SourceConfiguration source, SourceIdentity identity, String before) {
    return Finding.fatal(
        "source %s has published before as %s, and has no position under this name: its database or publication was renamed"
            .formatted(identity.id(), before),
        "rename it back (ALTER DATABASE or ALTER PUBLICATION ... RENAME TO), and reconcile if it was the publication; or, to publish every row of the table again as a new source: DELETE FROM %s WHERE source = %s"
            .formatted(
                Identifiers.qualified(source.schema(), "outbox_agent_source"),
                Identifiers.literal(before)));
  }
}
