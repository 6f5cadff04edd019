package io.outboxinbox.agent.source.inspect;

import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.event.WayOut;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.PublicationMark;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.table.SourceRegistry;
import io.outboxinbox.agent.source.table.SourceRegistry.Nameless;
import io.outboxinbox.agent.source.table.SourceRegistry.Registration;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;

/**
 * Why the broker may have no position of a source that has published before: the database moved,
 * the position was lost, or the source got another name. What a start does and what a check says
 * rest on this alone.
 *
 * @param pipeline its name in the configuration
 * @param checkpoints all that the broker has
 */
public record MissingPosition(
    SourceConfiguration source,
    String pipeline,
    SourceIdentity identity,
    List<Checkpoint> checkpoints) {
  private static final String RENAME_BACK =
      "rename it back (ALTER DATABASE or ALTER PUBLICATION ... RENAME TO), name it so in the configuration, and reconcile if it was the publication";

  /**
   * Looks for a reason.
   *
   * @return one finding; none when there never was a position
   * @throws SQLException the connection broke; look again later
   */
  public List<Finding> explain(Connection connection) throws SQLException {
    // First, and also where this very cluster has published before: what was decided about parked
    // events since then is with the other one.
    Optional<Finding> rebuilt =
        checkpoints.stream()
            .filter(other -> other.isOfRebuiltCluster(pipeline, identity))
            .map(other -> rebuilt(other.source().systemId()))
            .findFirst();
    if (rebuilt.isPresent()) {
      return List.of(rebuilt.get());
    }
    Optional<Registration> known = new SourceRegistry(source).find(connection, identity.id());
    if (known.filter(Registration::isSeeded).isPresent()) {
      return List.of(lost(known.get().epoch()));
    }
    if (known.filter(before -> before.epoch() > 0).isPresent()) {
      // A first start that was begun was let begin.
      return List.of();
    }
    Optional<Finding> former = formerName(connection);
    boolean isDecided = known.filter(Registration::isReset).isPresent();
    return former.filter(found -> !isDecided || found.severity() != Finding.Severity.GAP).stream()
        .toList();
  }

  /** What is printed may take away only what is surely this source's own. */
  private Optional<Finding> formerName(Connection connection) throws SQLException {
    String mark = PublicationMark.of(connection, source);
    Optional<Finding> possible = Optional.empty();
    for (Nameless other : new SourceRegistry(source).nameless(connection, identity)) {
      Optional<Checkpoint> position =
          checkpoints.stream().filter(at -> at.source().id().equals(other.source())).findFirst();
      if (other.isNamedAlike()
          || position
              .filter(at -> PublicationMark.areOfOnePublication(at.publicationMark(), mark))
              .isPresent()) {
        return Optional.of(renamed(other.source()));
      }
      // Such as with a publication that was made anew under another name.
      boolean isOfOthers =
          position
              .filter(at -> !at.pipeline().equals(pipeline) && !at.slot().equals(source.slot()))
              .isPresent();
      if (!isOfOthers && possible.isEmpty()) {
        possible = Optional.of(perhapsRenamed(other.source()));
      }
    }
    return possible;
  }

  private Finding rebuilt(String before) {
    return Finding.fatal(
        "pipeline %s published from cluster %s, but now finds cluster %s: the database was rebuilt or migrated, and its log cannot be compared"
            .formatted(pipeline, before, identity.systemId()),
        "if this is another database, give its pipeline a name of its own; otherwise: "
            + WayOut.acceptCluster(before));
  }

  private Finding lost(long epoch) {
    return Finding.gap(
        "source %s has published before (epoch %d), but the broker has no checkpoint of it: another cluster is configured, or the position topic was lost"
            .formatted(identity.id(), epoch),
        "point publish at the right cluster; if the position is lost: " + WayOut.RECONCILE);
  }

  /** Everything would be published again, under an id that nobody knows. */
  private Finding renamed(String before) {
    return Finding.fatal(
        "source %s has published before as %s, and has no position under this name: its database or publication was renamed"
            .formatted(identity.id(), before),
        RENAME_BACK
            + "; or, to publish every row of the table again as a new source: DELETE FROM %s WHERE source = %s"
                .formatted(
                    Identifiers.qualified(source.schema(), "outbox_agent_source"),
                    Identifiers.literal(before)));
  }

  /** What is parked or was discarded under the former name, only that name tells. */
  private Finding perhapsRenamed(String before) {
    return Finding.gap(
        "source %s may have published before as %s, whose database or publication is not there any more: nothing tells whether that was this table"
            .formatted(identity.id(), before),
        "if it was, %s, since what is parked or was discarded is known under that name alone; else %s; to begin from slot %s where that is there already, %s"
            .formatted(
                RENAME_BACK,
                WayOut.RECONCILE_ONCE,
                source.slot(),
                WayOut.beginFrom(source.slot())));
  }
}
