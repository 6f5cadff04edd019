package io.outboxinbox.agent.source.slot;

import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.PublicationMark;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration.ExistingRows;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.SourceNames;
import io.outboxinbox.agent.source.outbox.Candidates;
import io.outboxinbox.agent.source.table.ParkedTable;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a checkpoint still proves about the server that is there now.
 *
 * @param endedXid rows of transactions with a smaller id are published or parked; 0 when nothing is
 *     known of any row
 * @param isPositionLost events were published that are in no log of this server
 * @param tables which tables it says that of
 */
public record PassedBound(long endedXid, boolean isPositionLost, CoveredTables tables) {

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
      return new PassedBound(0, false, CoveredTables.unknown(source));
    }
    CoveredTables tables =
        CoveredTables.between(
            source, base.publicationMark(), PublicationMark.of(connection, source));
    boolean isOnThisLog =
        TimelineHistory.of(connections, server, base).contains(base)
            && base.position().commitLsn() <= server.currentWalLsn()
            && base.endedXid() <= server.nextXid();
    if (!isOnThisLog) {
      // Their ids have been, or will be, given to other transactions.
      return new PassedBound(0, true, tables);
    }
    // The row of a parked event that is lost may be there: it is neither published nor parked.
    boolean isComparable =
        server.nextXid() - base.endedXid() < COMPARABLE_XIDS
            && !ParkedTable.areMissing(connection, source.schema(), base, server.timeline());
    return new PassedBound(isComparable ? base.endedXid() : 0, false, tables);
  }

  /** The bound for rows of one table. */
  public long endedXid(OutboxTable table) {
    return tables.of(table.name()) == CoveredTables.State.COVERED ? endedXid : 0;
  }

  /**
   * Which rows may not have been published. Of a table that is new to the source those it has
   * already are older rows, as at a first start.
   */
  public Candidates candidates(OutboxTable table) {
    boolean isSkipped = table.existingRows() == ExistingRows.SKIP;
    return switch (tables.of(table.name())) {
      case COVERED -> Candidates.notEndedAt(endedXid);
      case REPLACED -> isSkipped ? Candidates.notEndedAt(endedXid) : Candidates.ALL;
      case NEW -> isSkipped ? Candidates.NONE : Candidates.ALL;
      case UNKNOWN -> Candidates.ALL;
    };
  }

  /** Whether rows that were never to be published can be told from rows that were missed. */
  public boolean tellsSkippedRows(OutboxTable table) {
    return switch (tables.of(table.name())) {
      case COVERED, REPLACED -> endedXid > 0;
      case NEW -> true;
      case UNKNOWN -> false;
    };
  }

  /** The bound for rows of all tables, once the candidates are written down. */
  public long endedXidOfAll(List<OutboxTable> outboxes) {
    return outboxes.stream().map(this::candidates).allMatch(this::areBounded) ? endedXid : 0;
  }

  private boolean areBounded(Candidates candidates) {
    return candidates.isNothing() || candidates.endedXid() == endedXid;
  }
}
