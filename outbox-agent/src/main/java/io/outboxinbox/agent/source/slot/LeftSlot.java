package io.outboxinbox.agent.source.slot;

import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.source.Identifiers;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A slot that a source has read, and reads no more since {@code source.slot} names another. */
public final class LeftSlot {
  private static final Logger LOG = LoggerFactory.getLogger(LeftSlot.class);

  private LeftSlot() {}

  /**
   * Tells of it: it holds the log back, and soon nobody knows any more whose it was.
   *
   * @param position the broker's, of this source; empty when it has none
   * @param noted which one is the source's own; empty for none
   * @param now the one that is read from now on
   */
  public static void warn(
      Connection connection, Optional<Checkpoint> position, Optional<String> noted, String now)
      throws SQLException {
    @Nullable String before = position.map(Checkpoint::slot).or(() -> noted).orElse(null);
    if (before == null || before.equals(now)) {
      return;
    }
    Optional<SlotState> left = SlotState.of(connection, before);
    // One that was made anew meanwhile is somebody else's.
    if (left.isPresent() && position.filter(left.get()::isBeyond).isEmpty()) {
      LOG.warn(
          "slot {} is left behind, since source.slot is {} now: it holds the log back until somebody drops it: SELECT pg_drop_replication_slot({})",
          before,
          now,
          Identifiers.literal(before));
    }
  }
}
