package io.outboxinbox.agent.source.slot;

import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.SourceNames;
import io.outboxinbox.agent.source.table.ParkedTable;
import java.sql.Connection;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/**
 * What a checkpoint still proves about the server that is there now.
 *
 * @param endedXid rows of transactions with a smaller id are published or parked; 0 when nothing is
 *     known of any row
 * @param isPositionLost events were published that are in no log of this server
 */
public record PassedBound(long endedXid, boolean isPositionLost) {

  /**
   * Half of all 32-bit ids: what lies further back looks as if it were ahead. A million less,
   * because transactions go on beginning while rows are compared.
   */
  private static final long COMPARABLE_XIDS = (1L << 31) - 1_000_000;

  /**
   * Compares.
   *
   * @param connections for the replication protocol, which alone tells of timelines
   * @param source with the names that hold in the database
   * @param base last durable checkpoint, perhaps of another source; null when it is lost
   */
  public static PassedBound of(
      Connection connection,
      SourceConnections connections,
      SourceConfiguration source,
      ServerState server,
      @Nullable Checkpoint base)
      throws SQLException {
    if (base == null || !base.source().equals(SourceNames.identity(server.systemId(), source))) {
      return new PassedBound(0, false);
    }
    boolean isOnThisLog =
        TimelineHistory.of(connections, server, base).contains(base)
            && base.position().commitLsn() <= server.currentWalLsn()
            && base.endedXid() <= server.nextXid();
    if (!isOnThisLog) {
      // Their ids have been, or will be, given to other transactions.
      return new PassedBound(0, true);
    }
    // The row of a parked event that is lost may be there: it is neither published nor parked.
    boolean isComparable =
        server.nextXid() - base.endedXid() < COMPARABLE_XIDS
            && !ParkedTable.areMissing(connection, source.schema(), base, server.timeline());
    return new PassedBound(isComparable ? base.endedXid() : 0, false);
  }
}
