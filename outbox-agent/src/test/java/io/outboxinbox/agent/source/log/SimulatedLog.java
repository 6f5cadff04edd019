package io.outboxinbox.agent.source.log;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * A write-ahead log as PostgreSQL would write and resend it: transactions interleave, rows of one
 * COPY buffer share an LSN, a record starts where the one before ended, so a row's LSN can equal
 * the end of a COMMIT.
 */
public final class SimulatedLog {
  /** One row: {@code id} is unique over the log. */
  record Row(long id, long lsn) {}

  /** A committed transaction; {@code commitStart} is its COMMIT record's LSN. */
  record Transaction(long xid, List<Row> rows, long commitStart, long commitEnd) {}

  private static final int XIDS = 20;

  private final List<Transaction> committed = new ArrayList<>();
  private final List<Long> expectedIds = new ArrayList<>();

  /** A transaction still open. */
  private record Open(long xid, List<Row> rows) {}

  public SimulatedLog(Random random, int records) {
    List<Open> open = new ArrayList<>();
    long lsn = 1000;
    long nextId = 1;
    // Few numbers, so that a later transaction meets the number of an earlier one, as after a
    // wraparound.
    long nextXid = random.nextInt(XIDS);
    for (int i = 0; i < records; i++) {
      long length = 1L + random.nextInt(100);
      int choice = random.nextInt(100);
      if (open.isEmpty() || (choice < 15 && open.size() < XIDS / 2)) {
        open.add(new Open(1 + nextXid++ % XIDS, new ArrayList<>()));
      }
      Open chosen = open.get(random.nextInt(open.size()));
      if (choice < 25) {
        open.remove(chosen);
        commit(chosen, lsn, lsn + length);
      } else if (choice < 30) {
        open.remove(chosen);
      } else {
        int rows = choice < 45 ? 2 + random.nextInt(8) : 1;
        for (int row = 0; row < rows; row++) {
          chosen.rows().add(new Row(nextId++, lsn));
        }
      }
      lsn += length;
    }
    for (Open rest : open) {
      commit(rest, lsn, lsn + 8);
      lsn += 8;
    }
  }

  private void commit(Open transaction, long start, long end) {
    committed.add(new Transaction(transaction.xid(), transaction.rows(), start, end));
    transaction.rows().forEach(row -> expectedIds.add(row.id()));
  }

  /**
   * Transactions a walsender started at {@code lsn} sends: those whose COMMIT begins there or
   * later.
   */
  List<Transaction> sendFrom(long lsn) {
    return committed.stream().filter(t -> t.commitStart() >= lsn).toList();
  }

  /** Ids in commit order, each once. */
  public List<Long> expectedIds() {
    return expectedIds;
  }

  public long start() {
    return 1;
  }
}
