package io.outboxinbox.quickstart;

import io.outboxinbox.quickstart.proof.EventKey;
import io.outboxinbox.quickstart.proof.Ledger;
import io.outboxinbox.quickstart.stage.Databases;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Notes what takes effect in the inventory's database, told by the database itself: exactly when it
 * is committed, and whatever becomes of the process that committed it. Works on a thread of its own
 * between {@link #start} and {@link #close}.
 */
final class ReservationWatch implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(ReservationWatch.class);
  private static final int LOOK_UP_AFTER_MILLIS = 200;
  private static final Duration CLOSED_WITHIN = Duration.ofSeconds(5);

  private final Connection connection;
  private final Ledger ledger;
  private final Thread thread = new Thread(this::run, "quickstart-reservations");
  private volatile @Nullable String failure;
  private volatile boolean running = true;

  /** Listens from now on. */
  ReservationWatch(Databases databases, Ledger ledger) throws SQLException {
    this.connection = databases.connect(Databases.INVENTORY);
    this.ledger = ledger;
    try (Statement statement = connection.createStatement()) {
      statement.execute("LISTEN " + Databases.RESERVATIONS);
    }
  }

  void start() {
    thread.start();
  }

  /** Why it gave up; null if it did not. */
  @Nullable String failure() {
    return failure;
  }

  private void run() {
    try {
      PGConnection listening = connection.unwrap(PGConnection.class);
      while (running) {
        PGNotification[] made = listening.getNotifications(LOOK_UP_AFTER_MILLIS);
        long now = System.nanoTime();
        for (PGNotification reservation : made) {
          String[] words = reservation.getParameter().split(" ", -1);
          ledger.applied(new EventKey(Long.parseLong(words[1]), Integer.parseInt(words[2])), now);
        }
      }
    } catch (SQLException | RuntimeException e) {
      if (running) {
        log.error("the watch on reservations gave up", e);
        failure = e.toString();
      }
    }
  }

  @Override
  public void close() throws SQLException {
    running = false;
    try {
      thread.join(CLOSED_WITHIN.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    connection.close();
  }
}
