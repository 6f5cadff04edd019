package io.outboxinbox.bench.inbox;

import io.outboxinbox.inbox.Arrival;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.Outcome;
import io.outboxinbox.testkit.PostgresDatabase;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongFunction;

/** Admits many new messages in large batches, and says how fast each part of them was. */
final class Feed {
  /** As many as Kafka's consumer returns from a poll at most, twice: rows, not commits, count. */
  static final int BATCH = 1_000;

  private static final int BAR_CHARACTERS = 50;

  private final PostgresDatabase database;
  private final Inbox inbox;
  private final Report report;

  Feed(PostgresDatabase database, Inbox inbox, Report report) {
    this.database = database;
    this.inbox = inbox;
    this.report = report;
  }

  /**
   * Admits all of them.
   *
   * @param messages how many, a multiple of {@code step}
   * @param step how many are timed together, a multiple of {@link #BATCH}
   * @param arrivals makes the n-th
   * @return messages a second of each step. The time it takes to make them is not in it
   */
  double[] run(int messages, int step, LongFunction<Arrival> arrivals) throws SQLException {
    double[] perSecond = new double[messages / step];
    double fastest = 0;
    try (Connection connection = database.connect()) {
      connection.setAutoCommit(false);
      for (int n = 0; n < perSecond.length; n++) {
        perSecond[n] = step / step(connection, (long) n * step, step, arrivals);
        fastest = Math.max(fastest, perSecond[n]);
        report.say(
            "  %,12d %,9.0f/s %s",
            (long) (n + 1) * step,
            perSecond[n],
            "#".repeat((int) Math.round(BAR_CHARACTERS * perSecond[n] / fastest)));
      }
    }
    return perSecond;
  }

  private double step(Connection connection, long from, int step, LongFunction<Arrival> arrivals)
      throws SQLException {
    long nanos = 0;
    for (int begun = 0; begun < step; begun += BATCH) {
      List<Arrival> batch = new ArrayList<>(BATCH);
      for (int i = 0; i < BATCH; i++) {
        batch.add(arrivals.apply(from + begun + i));
      }
      long begin = System.nanoTime();
      List<Outcome> outcomes = inbox.admitAll(connection, batch);
      connection.commit();
      inbox.committed(outcomes);
      nanos += System.nanoTime() - begin;
      for (Outcome outcome : outcomes) {
        if (!outcome.isNew()) {
          throw new IllegalStateException("not new: " + outcome);
        }
      }
    }
    return nanos / 1e9;
  }
}
