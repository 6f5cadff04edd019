package io.outboxinbox.bench.inbox;

import io.outboxinbox.inbox.Arrival;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.MessageId;
import io.outboxinbox.inbox.Outcome;
import io.outboxinbox.testkit.KafkaBrokerProcess;
import io.outboxinbox.testkit.PostgresDatabase;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What asking the inbox adds to a handler's transaction, alone, in batches, and for repeats. */
final class Overhead {
  private static final int BATCH = 100;
  private static final int CACHED = 50_000;

  private final Sizes sizes;
  private final Report report;
  private final Connection connection;
  private final Inbox inbox = Inbox.named("bench").build();
  private final Ids ids = new Ids(1);
  private final Stock stock;

  private Overhead(Sizes sizes, Report report, Connection connection) {
    this.sizes = sizes;
    this.report = report;
    this.connection = connection;
    this.stock = new Stock(connection, ids);
  }

  static void measure(PostgresDatabase database, Sizes sizes, Report report) throws SQLException {
    database.runScript("schema/postgresql/10_inbox.sql");
    database.execute(Stock.TABLE);
    try (Connection connection = database.connect()) {
      connection.setAutoCommit(false);
      Overhead overhead = new Overhead(sizes, report, connection);
      overhead.measureTransactions(database);
      overhead.measureBatches();
      overhead.measureCache();
    }
  }

  private void measureTransactions(PostgresDatabase database) throws SQLException {
    report.say("One message a transaction:");
    int messages = sizes.transactions();
    try (KafkaBrokerProcess broker = KafkaBrokerProcess.start();
        PlainConsumer plain = new PlainConsumer(broker, connection, stock, ids, messages);
        Runner runner = new Runner(broker, database, inbox, stock, ids, messages)) {
      Rounds rounds =
          Rounds.run(
              sizes.rounds(),
              List.of(
                  new Rounds.Side("handler only", this::handlerOnly),
                  new Rounds.Side("inbox.admit, handler, by hand", this::oneByOne),
                  new Rounds.Side("inbox.commitAndAdmit, handler, by hand", this::inARow),
                  new Rounds.Side("plain consumer, handler only", plain::prepare, plain::run),
                  new Rounds.Side("InboxConsumer", runner::prepare, runner::run)));
      rounds.tell(report);
      report.atLeast(
          "one by one, by hand with commitAndAdmit, compared with handler only",
          rounds.ratio(2, 0),
          0.80,
          "%.2f");
      report.figure("one by one, by hand, compared with handler only", "%.2f", rounds.ratio(1, 0));
      report.atLeast(
          "one by one, InboxConsumer, compared with a plain consumer",
          rounds.ratio(4, 3),
          0.80,
          "%.2f");
      report.atLeast(
          "one by one, InboxConsumer, compared with handler only",
          rounds.ratio(4, 0),
          0.80,
          "%.2f");
    }
  }

  private void measureBatches() throws SQLException {
    report.say("Batches of %d:", BATCH);
    Rounds rounds =
        Rounds.run(
            sizes.rounds(),
            List.of(
                new Rounds.Side("inbox.admit, handler, one by one by hand", this::oneByOne),
                new Rounds.Side("inbox.admitAll, one update per message", () -> batches(false)),
                new Rounds.Side("inbox.admitAll, one update for all", () -> batches(true))));
    rounds.tell(report);
    report.atLeast(
        "batch of 100, one update per message, compared with by hand",
        rounds.ratio(1, 0),
        4,
        "%.1f");
    report.atLeast(
        "batch of 100, one update for all, compared with by hand", rounds.ratio(2, 0), 15, "%.1f");
  }

  private long handlerOnly() throws SQLException {
    for (int i = 0; i < sizes.transactions(); i++) {
      stock.sellOne();
      connection.commit();
    }
    return sizes.transactions();
  }

  private long oneByOne() throws SQLException {
    for (int i = 0; i < sizes.transactions(); i++) {
      Outcome outcome = inbox.admit(connection, ids.dated());
      requireNew(outcome);
      stock.sellOne();
      connection.commit();
      inbox.committed(List.of(outcome));
    }
    return sizes.transactions();
  }

  private long inARow() throws SQLException {
    Outcome outcome = inbox.admit(connection, ids.dated());
    for (int i = 1; i < sizes.transactions(); i++) {
      requireNew(outcome);
      stock.sellOne();
      Optional<Outcome> next = inbox.commitAndAdmit(connection, outcome, Arrival.of(ids.dated()));
      inbox.committed(List.of(outcome));
      outcome = next.isPresent() ? next.get() : inbox.admit(connection, ids.dated());
    }
    stock.sellOne();
    connection.commit();
    inbox.committed(List.of(outcome));
    return sizes.transactions();
  }

  private long batches(boolean oneUpdate) throws SQLException {
    for (int batch = 0; batch < sizes.batches(); batch++) {
      List<Outcome> outcomes = inbox.admitAll(connection, arrivals(BATCH));
      for (Outcome outcome : outcomes) {
        requireNew(outcome);
        if (!oneUpdate) {
          stock.sellOne();
        }
      }
      if (oneUpdate) {
        stock.sell(BATCH);
      }
      connection.commit();
      inbox.committed(outcomes);
    }
    return (long) sizes.batches() * BATCH;
  }

  private void measureCache() throws SQLException {
    List<Arrival> arrivals = arrivals(CACHED);
    List<Outcome> outcomes = inbox.admitAll(connection, arrivals);
    connection.commit();
    inbox.committed(outcomes);
    report.say("Repeats of %,d committed messages, one call for each:", CACHED);
    Rounds rounds =
        Rounds.run(
            sizes.rounds(),
            List.of(
                new Rounds.Side("answered from the cache", () -> repeats(arrivals)),
                new Rounds.Side(
                    "answered by the database (a new inbox)", () -> unknown(arrivals))));
    rounds.tell(report);
    connection.rollback();
    report.atLeast(
        "repeats answered from the cache, a second", rounds.perSecond(0), 500_000, "%,.0f");
    report.figure("repeats answered by the database, a second", "%,.0f", rounds.perSecond(1));
  }

  private long repeats(List<Arrival> arrivals) throws SQLException {
    for (int i = 0; i < sizes.cachedAnswers(); i++) {
      requireRepeat(inbox.admit(connection, arrivals.get(i % arrivals.size())));
    }
    return sizes.cachedAnswers();
  }

  private long unknown(List<Arrival> arrivals) throws SQLException {
    Inbox other = Inbox.named(inbox.consumer()).cachedIdsMax(0).build();
    int number = Math.min(arrivals.size(), sizes.transactions());
    for (Arrival arrival : arrivals.subList(0, number)) {
      requireRepeat(other.admit(connection, arrival));
    }
    return number;
  }

  private List<Arrival> arrivals(int number) {
    List<Arrival> arrivals = new ArrayList<>(number);
    for (int i = 0; i < number; i++) {
      MessageId id = ids.dated();
      arrivals.add(Arrival.of(id));
    }
    return arrivals;
  }

  private static void requireNew(Outcome outcome) {
    if (!outcome.isNew()) {
      throw new IllegalStateException("not new: " + outcome);
    }
  }

  private static void requireRepeat(Outcome outcome) {
    if (outcome.status() != Outcome.Status.DUPLICATE) {
      throw new IllegalStateException("not a repeat: " + outcome);
    }
  }
}
