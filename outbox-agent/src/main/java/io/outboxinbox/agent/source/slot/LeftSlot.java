package io.outboxinbox.agent.source.slot;

import io.outboxinbox.agent.source.Identifiers;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A slot that a source has read, and reads no more since {@code source.slot} names another. */
public final class LeftSlot {
  private static final Logger LOG = LoggerFactory.getLogger(LeftSlot.class);

  private LeftSlot() {}

  /**
   * Tells of it: it holds the log back, and soon nobody knows any more whose it was.
   *
   * @param before the one that the position was read from; empty for none
   * @param now the one that is read from now on
   */
  public static void warn(Connection connection, Optional<String> before, String now)
      throws SQLException {
    if (before.filter(slot -> !slot.equals(now)).isPresent()
        && SlotState.of(connection, before.get()).isPresent()) {
      LOG.warn(
          "slot {} is left behind, since source.slot is {} now: it holds the log back until somebody drops it: SELECT pg_drop_replication_slot({})",
          before.get(),
          now,
          Identifiers.literal(before.get()));
    }
  }
}
