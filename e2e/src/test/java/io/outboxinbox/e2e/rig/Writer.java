package io.outboxinbox.e2e.rig;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Writes transactions on its own connection, with keys of its own, and keeps the ledger. One thread
 * uses it; the next write after a failure connects anew.
 */
public final class Writer implements AutoCloseable {
  private static final int KEYS = 100;

  /** Long enough that other writers commit in between. */
  private static final Duration INTERLEAVE_PAUSE = Duration.ofMillis(3);

  private static final int INTERLEAVE_STATEMENTS = 5;

  private final SourceDatabase database;
  private final Ledger ledger;
  private final int number;
  private final SplittableRandom random;
  private final long[] counters = new long[KEYS];
  private long transactions;
  private @Nullable Connection connection;

  public Writer(SourceDatabase database, Ledger ledger, int number, long seed) {
    this.database = database;
    this.ledger = ledger;
    this.number = number;
    this.random = new SplittableRandom(seed + number);
  }

  /**
   * Writes one transaction and commits it, or rolls it back if its kind says so.
   *
   * @param rows how many events, at least 1
   * @return the transaction; its outcome is committed or rolled back
   * @throws SQLException the connection broke; the ledger knows whether the outcome is unknown
   */
  public Transaction write(Transaction.Kind kind, int rows) throws SQLException {
    Connection open = connected();
    Transaction transaction = ledger.begin(number, ++transactions, kind);
    try {
      fill(open, transaction, rows);
      if (kind == Transaction.Kind.ROLLED_BACK) {
        open.rollback();
        transaction.end(Transaction.Outcome.ROLLED_BACK);
        return transaction;
      }
    } catch (SQLException e) {
      transaction.end(Transaction.Outcome.ROLLED_BACK);
      disconnect();
      throw e;
    }
    commit(open, transaction);
    return transaction;
  }

  /**
   * Commits one transaction of which half is written before, half after something else happens.
   *
   * @param rows an even number
   * @throws SQLException as {@link #write}
   */
  public Transaction writeAround(int rows, Runnable between) throws SQLException {
    Connection open = connected();
    Transaction transaction = ledger.begin(number, ++transactions, Transaction.Kind.INTERLEAVED);
    try {
      RowWriting.insert(open, transaction, add(transaction, rows / 2));
      between.run();
      RowWriting.insert(open, transaction, add(transaction, rows / 2));
    } catch (SQLException e) {
      transaction.end(Transaction.Outcome.ROLLED_BACK);
      disconnect();
      throw e;
    }
    commit(open, transaction);
    return transaction;
  }

  private void commit(Connection open, Transaction transaction) throws SQLException {
    transaction.end(Transaction.Outcome.UNKNOWN);
    try {
      open.commit();
      transaction.end(Transaction.Outcome.COMMITTED);
    } catch (SQLException e) {
      disconnect();
      throw e;
    }
  }

  private void fill(Connection open, Transaction transaction, int rows) throws SQLException {
    switch (transaction.kind()) {
      case FUNCTION -> publish(open, transaction, rows);
      case MULTI_ROW -> RowWriting.insert(open, transaction, add(transaction, rows));
      case COPY -> RowWriting.copy(open, transaction, add(transaction, rows));
      case INTERLEAVED -> interleave(open, transaction, rows);
      case SAVEPOINT -> savepoint(open, transaction, rows);
      case ROLLED_BACK -> {
        if (random.nextBoolean()) {
          RowWriting.copy(open, transaction, add(transaction, rows));
        } else {
          RowWriting.insert(open, transaction, add(transaction, rows));
        }
      }
    }
  }

  private void publish(Connection open, Transaction transaction, int rows) throws SQLException {
    for (int i = 0; i < rows; i++) {
      Entry unnamed = next();
      String payload = Payload.of(transaction, unnamed);
      transaction
          .entries()
          .add(
              new Entry(
                  RowWriting.publish(open, unnamed.key(), payload),
                  unnamed.key(),
                  unnamed.counter()));
    }
  }

  private void interleave(Connection open, Transaction transaction, int rows) throws SQLException {
    int perStatement = Math.max(1, rows / INTERLEAVE_STATEMENTS);
    for (int left = rows; left > 0; left -= perStatement) {
      RowWriting.insert(open, transaction, add(transaction, Math.min(left, perStatement)));
      LockSupport.parkNanos(INTERLEAVE_PAUSE.toNanos());
    }
  }

  private void savepoint(Connection open, Transaction transaction, int rows) throws SQLException {
    RowWriting.insert(open, transaction, add(transaction, rows));
    Savepoint savepoint = open.setSavepoint();
    List<Entry> discarded = make(rows);
    transaction.discarded().addAll(discarded);
    RowWriting.insert(open, transaction, discarded);
    open.rollback(savepoint);
    RowWriting.insert(open, transaction, add(transaction, rows));
  }

  private List<Entry> add(Transaction transaction, int rows) {
    List<Entry> made = make(rows);
    transaction.entries().addAll(made);
    return made;
  }

  private List<Entry> make(int rows) {
    List<Entry> made = new ArrayList<>(rows);
    for (int i = 0; i < rows; i++) {
      made.add(next());
    }
    return made;
  }

  private Entry next() {
    int key = random.nextInt(KEYS);
    return new Entry(Uuid7.next(random), "w" + number + "-" + key, ++counters[key]);
  }

  private Connection connected() throws SQLException {
    Connection open = connection;
    if (open == null) {
      open = database.connect();
      open.setAutoCommit(false);
      connection = open;
    }
    return open;
  }

  private void disconnect() {
    Connection open = connection;
    connection = null;
    if (open != null) {
      try {
        open.close();
      } catch (SQLException alreadyBroken) {
        // Only its resources mattered.
        return;
      }
    }
  }

  @Override
  public void close() {
    disconnect();
  }
}
