package io.outboxinbox.agent.park;

import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Checkpoint.Parking;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.table.ParkedQueue;
import io.outboxinbox.agent.source.table.ParkedTable;
import java.sql.Connection;
import java.sql.SQLException;

/** Carries table {@code outbox_parked} over into a position that does not continue the last one. */
public final class ParkingCarryOver {
  private ParkingCarryOver() {}

  /**
   * For a position that begins anew: keeps every parked event. A batch that was on its way counts
   * as not published, because nobody knows; that may repeat it, and loses nothing.
   */
  public static Parking adopt(Connection leader, SourceConfiguration source, String sourceId)
      throws SQLException {
    new ParkedQueue(source.schema(), sourceId).putBack(leader, 0);
    return new ParkedTable(source.schema(), sourceId).extent(leader);
  }

  /**
   * For a position that goes on under another id: behind the events it covers come those that were
   * parked under the new id before.
   */
  public static Parking moved(
      Connection leader, SourceConfiguration source, String sourceId, Parking before)
      throws SQLException {
    return new Parking(
        Math.max(
            before.lastOrdinal(),
            new ParkedTable(source.schema(), sourceId).extent(leader).lastOrdinal()),
        before.lastRelease());
  }

  /**
   * For a position that goes on under its own id: it covers every parked event, those that were
   * carried over from another id among them.
   */
  public static Parking joined(
      Connection leader, SourceConfiguration source, String sourceId, Parking before)
      throws SQLException {
    return new Parking(
        new ParkedTable(source.schema(), sourceId).extent(leader).lastOrdinal(),
        before.lastRelease());
  }

  /**
   * A number that is not exceeded once the events of another id are carried over, whose numbers
   * come before those that are there.
   */
  public static long highest(
      Connection connection, SourceConfiguration source, String sourceId, String former)
      throws SQLException {
    long own = new ParkedTable(source.schema(), sourceId).extent(connection).lastOrdinal();
    long others = new ParkedTable(source.schema(), former).extent(connection).lastOrdinal();
    return own + Math.max(own, others);
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
