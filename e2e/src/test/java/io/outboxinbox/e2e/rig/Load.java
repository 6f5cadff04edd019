package io.outboxinbox.e2e.rig;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;

/**
 * Three writers, each on a thread of its own, that write random transactions at a steady rate and
 * come back after every failure until they are stopped.
 */
public final class Load implements AutoCloseable {
  private static final int WRITERS = 3;
  private static final int COPY_PERCENT = 20;
  private static final int COPY_ROWS_MAX = 200;
  private static final int INSERT_ROWS_MAX = 20;
  private static final Duration RECONNECT_PAUSE = Duration.ofMillis(100);
  private static final long STOP_SECONDS = 120;

  private final ExecutorService threads = Executors.newFixedThreadPool(WRITERS);
  private final List<Future<?>> running = new ArrayList<>();
  private final SourceDatabase database;
  private final Ledger ledger;
  private final long seed;
  private final int eventsPerSecond;
  private volatile boolean stopping;

  private Load(SourceDatabase database, Ledger ledger, long seed, int eventsPerSecond) {
    this.database = database;
    this.ledger = ledger;
    this.seed = seed;
    this.eventsPerSecond = eventsPerSecond;
  }

  /**
   * Starts writing.
   *
   * @param eventsPerSecond of all writers together
   */
  public static Load start(SourceDatabase database, Ledger ledger, long seed, int eventsPerSecond) {
    Load load = new Load(database, ledger, seed, eventsPerSecond);
    for (int i = 1; i <= WRITERS; i++) {
      int number = i;
      load.running.add(load.threads.submit(() -> load.write(number)));
    }
    return load;
  }

  private void write(int number) {
    SplittableRandom random = new SplittableRandom(seed * 31 + number);
    double nanosPerEvent = 1e9 * WRITERS / eventsPerSecond;
    try (Writer writer = new Writer(database, ledger, number, seed)) {
      while (!stopping) {
        long due = System.nanoTime();
        int rows = writeOne(writer, random);
        due += (long) (rows * nanosPerEvent);
        LockSupport.parkNanos(due - System.nanoTime());
      }
    }
  }

  private static int writeOne(Writer writer, SplittableRandom random) {
    Transaction.Kind kind = kind(random.nextInt(100));
    int rows = rows(kind, random);
    try {
      writer.write(kind, rows);
    } catch (SQLException e) {
      if (!SourceDatabase.isConnectionLost(e)) {
        throw new IllegalStateException("writing " + kind + " failed", e);
      }
      LockSupport.parkNanos(RECONNECT_PAUSE.toNanos());
    }
    return rows;
  }

  private static Transaction.Kind kind(int percent) {
    if (percent < COPY_PERCENT) {
      return Transaction.Kind.COPY;
    } else if (percent < 45) {
      return Transaction.Kind.FUNCTION;
    } else if (percent < 70) {
      return Transaction.Kind.MULTI_ROW;
    } else if (percent < 80) {
      return Transaction.Kind.INTERLEAVED;
    } else if (percent < 85) {
      return Transaction.Kind.SAVEPOINT;
    }
    return Transaction.Kind.ROLLED_BACK;
  }

  private static int rows(Transaction.Kind kind, SplittableRandom random) {
    return switch (kind) {
      case FUNCTION -> 1;
      case COPY -> random.nextInt(2, COPY_ROWS_MAX + 1);
      default -> random.nextInt(2, INSERT_ROWS_MAX + 1);
    };
  }

  /**
   * Lets every writer finish its transaction.
   *
   * @throws IllegalStateException a writer failed with something else than a lost connection
   */
  public void stop() {
    stopping = true;
    threads.shutdown();
    for (Future<?> writer : running) {
      try {
        writer.get(STOP_SECONDS, TimeUnit.SECONDS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("interrupted while stopping the writers", e);
      } catch (ExecutionException | TimeoutException e) {
        throw new IllegalStateException("a writer failed or did not stop", e);
      }
    }
  }

  /** Stops the threads of a test that failed before {@link #stop}. */
  @Override
  public void close() {
    stopping = true;
    threads.shutdownNow();
  }
}
