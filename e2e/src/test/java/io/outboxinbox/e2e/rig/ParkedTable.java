package io.outboxinbox.e2e.rig;

import java.sql.SQLException;
import java.time.Duration;
import org.awaitility.Awaitility;

/** The parked events of a source, as an operator with SQL sees them. Thread-safe. */
public final class ParkedTable {
  private static final Duration LOOK_EVERY = Duration.ofMillis(200);

  private final SourceDatabase database;

  public ParkedTable(SourceDatabase database) {
    this.database = database;
  }

  /** How many rows there are of a kind. */
  public long count(String condition) throws SQLException {
    return Long.parseLong(
        String.valueOf(database.query("SELECT count(*) FROM outbox_parked WHERE " + condition)));
  }

  /** Waits until there are this many rows of a kind. */
  public void await(String condition, long wanted, Duration deadline) {
    Awaitility.await(wanted + " parked rows with " + condition)
        .atMost(deadline)
        .pollInterval(LOOK_EVERY)
        .until(() -> count(condition) == wanted);
  }

  /** Asks the leader to release rows of a kind; what waits behind them follows by itself. */
  public void release(String condition) throws SQLException {
    database.execute(
        """
        UPDATE outbox_parked SET requested = 'release', requested_by = 'test',
          requested_at = clock_timestamp(), requested_reason = 'mended'
        WHERE state = 'waiting' AND %s
        """
            .formatted(condition));
  }
}
