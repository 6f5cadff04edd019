package io.outboxinbox.agent.park;

import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Checkpoint.Parking;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.table.ParkedQueue;
import io.outboxinbox.agent.source.table.ParkedTable;
import java.sql.Connection;
import java.sql.SQLException;

/**
 * Carries table {@code outbox_parked} over into a position that does not continue the last one.
 *
 * @param connection the leader's, or one of a change that ends with the lead
 * @param source in whose schema the table is
 * @param sourceId whose position it is
 */
public record ParkingCarryOver(Connection connection, SourceConfiguration source, String sourceId) {

  /**
   * For a position that begins anew: keeps every parked event. A batch that was on its way counts
   * as not published, because nobody knows; that may repeat it, and loses nothing.
   */
  public Parking adopt() throws SQLException {
    new ParkedQueue(source.schema(), sourceId, connection, connection).putBack(0);
    return extent(sourceId);
  }

  /**
   * For a position that goes on under another id: behind the events it covers come those that were
   * parked under the new id before.
   */
  public Parking moved(Parking before) throws SQLException {
    long last = Math.max(before.lastOrdinal(), extent(sourceId).lastOrdinal());
    return new Parking(last, before.lastRelease());
  }

  /**
   * For a position that goes on under its own id: it covers every parked event, those that were
   * carried over from another id among them.
   */
  public Parking joined(Parking before) throws SQLException {
    return new Parking(extent(sourceId).lastOrdinal(), before.lastRelease());
  }

  /**
   * A number that is not exceeded once the events of another id are carried over, whose numbers
   * come before those that are there.
   */
  public long highest(String former) throws SQLException {
    long own = extent(sourceId).lastOrdinal();
    return own + Math.max(own, extent(former).lastOrdinal());
  }

  private Parking extent(String of) throws SQLException {
    return new ParkedTable(source.schema(), of).extent(connection);
  }

  /**
   * Deletes what was written down and never covered by the position. A reconciliation finds these
   * events in the table again; would they count as parked, they would be left out there and then
   * taken back here.
   */
  public static void takeBack(Connection connection, SourceConfiguration source, Checkpoint base)
      throws SQLException {
    new ParkedTable(source.schema(), base.source().id())
        .takeBack(connection, base.epoch(), base.parking().lastOrdinal());
  }
}
