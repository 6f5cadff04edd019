package io.outboxinbox.agent.reconcile;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.WayOut;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.source.table.SourceRegistry;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A position that is kept in the database says nothing of a broker it was not written for: the
 * events it covers are not there. One at the broker is missing there, which shows it.
 */
public final class OtherBroker {
  private OtherBroker() {}

  /**
   * Compares the broker with the one that has the source's events.
   *
   * @param sourceId whose position it is
   * @return the gap, if it is known to be another one
   */
  public static Optional<Finding> of(
      PipelineConfiguration pipeline, Connection connection, Publisher publisher, String sourceId)
      throws SQLException {
    if (!pipeline.needsPositions()) {
      return Optional.empty();
    }
    @Nullable String known =
        new SourceRegistry(pipeline.source())
            .find(connection, sourceId)
            .map(SourceRegistry.Registration::broker)
            .orElse(null);
    return known == null
        ? Optional.empty()
        : publisher
            .cluster()
            .filter(cluster -> !cluster.equals(known))
            .map(cluster -> gap(sourceId, known, cluster));
  }

  private static Finding gap(String sourceId, String known, String cluster) {
    return Finding.gap(
        "source %s has published to broker %s before, but publish names broker %s now, which does not have these events"
            .formatted(sourceId, known, cluster),
        "point publish at the right broker; to publish all that is not there: " + WayOut.RECONCILE);
  }
}
