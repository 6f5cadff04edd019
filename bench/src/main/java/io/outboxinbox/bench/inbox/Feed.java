package io.outboxinbox.bench.inbox;

import io.outboxinbox.inbox.Arrival;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.Outcome;
import io.outboxinbox.testkit.PostgresDatabase;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.LongFunction;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/** Admits many new messages in large batches, and says how fast each part of them was. */
final class Feed {
  /** Twice what Kafka's consumer returns from a poll: here rows count, not commits. */
  static final int BATCH = 1_000;

  private static final int CONTROL_EVERY = 10;
  private static final int BAR_CHARACTERS = 30;

  private final PostgresDatabase database;
  private final Inbox inbox;
  private final Report report;

  Feed(PostgresDatabase database, Inbox inbox, Report report) {
    this.database = database;
    this.inbox = inbox;
    this.report = report;
  }

  /**
   * What a step did.
   *
   * @param perSecond messages a second, without the time it takes to make them
   * @param controlPerSecond the same of the control, which was fed in between
   */
  record Step(double perSecond, double controlPerSecond) {
    /** How fast for what the machine had to give at that time. */
    double compared() {
      return perSecond / controlPerSecond;
    }
  }

  /**
   * Admits all of them.
   *
   * @param messages how many, a multiple of {@code step}
   * @param step how many are timed together, a multiple of {@link #BATCH}
   * @param arrivals makes the n-th
   */
  List<Step> run(int messages, int step, LongFunction<Arrival> arrivals) throws SQLException {
    return run(messages, step, arrivals, null);
  }

  /** As above; gives every tenth batch to a control that never has more than one step of ids. */
  List<Step> run(
      int messages, int step, LongFunction<Arrival> arrivals, @Nullable PostgresDatabase control)
      throws SQLException {
    List<Step> steps = new ArrayList<>();
    Ids controlIds = new Ids(step);
    try (Connection connection = transactions(database);
        Connection other = transactions(control == null ? database : control)) {
      for (long from = 0; from < messages; from += step) {
        long nanos = 0;
        long controlNanos = 0;
        int controlBatches = 0;
        if (control != null) {
          control.execute("TRUNCATE inbox_message");
        }
        for (int batch = 0; batch < step / BATCH; batch++) {
          nanos += admit(connection, batch(from + (long) batch * BATCH, arrivals));
          if (control != null && batch % CONTROL_EVERY == 0) {
            controlNanos += admit(other, batch(0, n -> Arrival.of(controlIds.dated())));
            controlBatches++;
          }
        }
        steps.add(
            new Step(step * 1e9 / nanos, (double) controlBatches * BATCH * 1e9 / controlNanos));
        tell(from + step, steps, control != null);
      }
    }
    return steps;
  }

  /** The bar shows what does not depend on how fast the machine is just now, if there is that. */
  private void tell(long done, List<Step> steps, boolean hasControl) {
    Step last = steps.get(steps.size() - 1);
    ToDoubleFunction<Step> shown = hasControl ? Step::compared : Step::perSecond;
    double most = steps.stream().mapToDouble(shown).max().orElseThrow();
    String control =
        hasControl
            ? String.format(
                Locale.ROOT,
                "control %,9.0f/s, compared %.2f ",
                last.controlPerSecond(),
                last.compared())
            : "";
    int bar = (int) Math.round(BAR_CHARACTERS * shown.applyAsDouble(last) / most);
    report.say("  %,12d %,9.0f/s %s%s", done, last.perSecond(), control, "#".repeat(bar));
  }

  private static Connection transactions(PostgresDatabase database) throws SQLException {
    Connection connection = database.connect();
    connection.setAutoCommit(false);
    return connection;
  }

  private static List<Arrival> batch(long from, LongFunction<Arrival> arrivals) {
    List<Arrival> batch = new ArrayList<>(BATCH);
    for (int i = 0; i < BATCH; i++) {
      batch.add(arrivals.apply(from + i));
    }
    return batch;
  }

  private long admit(Connection connection, List<Arrival> batch) throws SQLException {
    long begin = System.nanoTime();
    List<Outcome> outcomes = inbox.admitAll(connection, batch);
    connection.commit();
    inbox.committed(outcomes);
    long nanos = System.nanoTime() - begin;
    for (Outcome outcome : outcomes) {
      if (!outcome.isNew()) {
        throw new IllegalStateException("not new: " + outcome);
      }
    }
    return nanos;
  }
}
