package io.outboxinbox.e2e.rig;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/**
 * What the writers tried and what became of it. Writers add from their threads; ask for contents
 * after they have ended.
 */
public final class Ledger {
  private final List<Transaction> transactions = new ArrayList<>();

  /** Adds a transaction that its writer has just begun. */
  synchronized Transaction begin(int writer, long number, Transaction.Kind kind) {
    Transaction transaction = new Transaction(writer, number, kind);
    transactions.add(transaction);
    return transaction;
  }

  public synchronized List<Transaction> transactions() {
    return List.copyOf(transactions);
  }

  /** How many transactions ended like this. */
  public long transactions(Transaction.Outcome outcome) {
    return transactions().stream().filter(t -> t.outcome() == outcome).count();
  }

  /** How many events are in transactions that ended like this. */
  public long events(Transaction.Outcome outcome) {
    return transactions().stream()
        .filter(t -> t.outcome() == outcome)
        .mapToLong(t -> t.entries().size())
        .sum();
  }

  /**
   * Looks into the table for every transaction whose commit got no answer.
   *
   * @return how many turned out committed
   * @throws IllegalStateException only a part of one is in the table
   */
  public int resolveUnknown(Connection connection) throws SQLException {
    int committed = 0;
    for (Transaction transaction : transactions()) {
      if (transaction.outcome() == Transaction.Outcome.UNKNOWN) {
        int found = countRows(connection, transaction);
        if (found != 0 && found != transaction.entries().size()) {
          throw new IllegalStateException(transaction + " has " + found + " rows in the table");
        }
        transaction.end(
            found == 0 ? Transaction.Outcome.ROLLED_BACK : Transaction.Outcome.COMMITTED);
        committed += found == 0 ? 0 : 1;
      }
    }
    return committed;
  }

  private static int countRows(Connection connection, Transaction transaction) throws SQLException {
    try (PreparedStatement count =
        connection.prepareStatement("SELECT count(*) FROM outbox_event WHERE id = ANY (?)")) {
      UUID[] ids = transaction.entries().stream().map(Entry::id).toArray(UUID[]::new);
      count.setArray(1, connection.createArrayOf("uuid", ids));
      try (ResultSet rows = count.executeQuery()) {
        rows.next();
        return rows.getInt(1);
      }
    }
  }
}
