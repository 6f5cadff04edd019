package io.outboxinbox.e2e.rig;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** Writes to a table that is in no publication, at a steady rate, until closed. */
public final class BusyTable implements AutoCloseable {
  private static final int ROW_BYTES = 1_000;
  private static final int ROWS = 100;

  private final SourceDatabase database;
  private final double nanosPerStatement;
  private final Thread thread = new Thread(this::write, "busy-table");
  private volatile boolean stopping;
  private volatile @Nullable SQLException failure;

  private BusyTable(SourceDatabase database, int mebibytesPerSecond) {
    this.database = database;
    this.nanosPerStatement = 1e9 * ROW_BYTES * ROWS / (mebibytesPerSecond * 1024.0 * 1024.0);
  }

  /** Creates the table and starts writing. */
  public static BusyTable start(SourceDatabase database, int mebibytesPerSecond)
      throws SQLException {
    database.execute("CREATE TABLE busy (id bigint GENERATED ALWAYS AS IDENTITY, filler text)");
    BusyTable busy = new BusyTable(database, mebibytesPerSecond);
    busy.thread.setDaemon(true);
    busy.thread.start();
    return busy;
  }

  private void write() {
    // Rows below 2 kB are not compressed, so the log grows by what they hold.
    String sql = "INSERT INTO busy (filler) SELECT repeat('x', ?) FROM generate_series(1, ?)";
    try (Connection connection = database.connectAsSuperuser();
        PreparedStatement insert = connection.prepareStatement(sql)) {
      insert.setInt(1, ROW_BYTES);
      insert.setInt(2, ROWS);
      long due = System.nanoTime();
      while (!stopping) {
        insert.executeUpdate();
        due += (long) nanosPerStatement;
        LockSupport.parkNanos(due - System.nanoTime());
      }
    } catch (SQLException e) {
      failure = e;
    }
  }

  /** Fails when writing has stopped. */
  public void requireAlive() {
    SQLException failed = failure;
    if (failed != null) {
      throw new IllegalStateException("the busy table is not written to any more", failed);
    }
  }

  @Override
  public void close() {
    stopping = true;
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
