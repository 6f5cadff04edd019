package io.outboxinbox.bench.inbox;

import io.outboxinbox.bench.inbox.Feed.Step;
import io.outboxinbox.inbox.Arrival;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.testkit.PostgresDatabase;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Thirty days of ids in thirty daily partitions: whether it gets slower, and what a day costs. */
final class Month {
  static final int DAYS = 30;

  /** Producers' clocks and the ways to the broker differ by some seconds. */
  private static final int DISORDER_MILLIS = 10_000;

  /** The compiler and the first WAL files belong to no day. */
  private static final int WARM_UP_PART = 20;

  private static final int STEPS = 20;

  private final PostgresDatabase database;

  /** Another inbox, always small: it shows how fast the machine is while the month passes. */
  private final PostgresDatabase control;

  private final Sizes sizes;
  private final Report report;
  private final Ids ids = new Ids(2);
  private final LocalDate first = LocalDate.now(ZoneOffset.UTC).minusDays(DAYS);

  private Month(PostgresDatabase database, PostgresDatabase control, Sizes sizes, Report report) {
    this.database = database;
    this.control = control;
    this.sizes = sizes;
    this.report = report;
  }

  static void measure(
      PostgresDatabase database, PostgresDatabase control, Sizes sizes, Report report)
      throws SQLException {
    new Month(database, control, sizes, report).measure();
  }

  private void measure() throws SQLException {
    database.runScript("schema/postgresql/10_inbox.sql");
    control.runScript("schema/postgresql/10_inbox.sql");
    createPartitions();
    warmUp();
    int messages = sizes.datedIds();
    int step = messages / STEPS;
    long before = Storage.bytes(database, "inbox_message");
    report.say("%,d ids over %d days, in batches of %,d:", messages, DAYS, Feed.BATCH);
    Inbox inbox = Inbox.named("bench").build();
    List<Step> steps =
        new Feed(database, inbox, report).run(messages, step, this::arrival, control);
    long bytes = Storage.bytes(database, "inbox_message") - before;

    Step begin = steps.get(0);
    Step end = steps.get(STEPS - 1);
    String part = String.format(Locale.ROOT, "%,d", step);
    report.figure("30 days: first " + part + ", ids a second", "%,.0f", begin.perSecond());
    report.figure("30 days: last " + part + ", ids a second", "%,.0f", end.perSecond());
    report.figure(
        "30 days: last compared with first, as it is", "%.2f", end.perSecond() / begin.perSecond());
    report.atLeast(
        "30 days: last compared with first, each against its control",
        end.compared() / begin.compared(),
        0.80,
        "%.2f");
    report.figure("30 days: bytes on disk per id", "%.1f", (double) bytes / messages);
    requireRows("inbox_message", messages);
    requireRows("inbox_message_default", 0);
    forgetOneDay();
  }

  private void createPartitions() throws SQLException {
    List<String> statements = new ArrayList<>();
    for (int day = 0; day < DAYS; day++) {
      LocalDate date = first.plusDays(day);
      String name = "inbox_message_p" + date.format(DateTimeFormatter.BASIC_ISO_DATE);
      // As inbox_partitions_create makes them, which has no use for past ones.
      statements.add("CREATE TABLE " + name + " (LIKE inbox_message INCLUDING ALL)");
      statements.add(
          String.format(
              Locale.ROOT,
              "DO $$ BEGIN EXECUTE format('ALTER TABLE inbox_message ATTACH PARTITION %s"
                  + " FOR VALUES FROM (%%L) TO (%%L)', inbox_first_key('%sZ'), inbox_first_key('%sZ'));"
                  + " END $$",
              name,
              date,
              date.plusDays(1)));
    }
    database.execute(statements.toArray(String[]::new));
  }

  /** In today's partition, which then is emptied. */
  private void warmUp() throws SQLException {
    int messages = Math.max(Feed.BATCH, sizes.datedIds() / WARM_UP_PART / Feed.BATCH * Feed.BATCH);
    Inbox inbox = Inbox.named("warm-up").build();
    report.say("Warming up with %,d ids:", messages);
    new Feed(database, inbox, report).run(messages, messages, n -> Arrival.of(ids.dated()));
    database.execute("TRUNCATE inbox_message", "CHECKPOINT");
  }

  private Arrival arrival(long n) {
    long begin = first.atStartOfDay(ZoneOffset.UTC).toInstant().toEpochMilli();
    long month = Duration.ofDays(DAYS).toMillis();
    long moment = begin + (long) ((double) month * n / sizes.datedIds());
    long disorder = ids.below(DISORDER_MILLIS);
    return Arrival.of(ids.dated(Math.max(begin, moment - disorder)));
  }

  private void forgetOneDay() throws SQLException {
    long perDay =
        Storage.number(
            database,
            "SELECT count(*) FROM inbox_message_p"
                + first.format(DateTimeFormatter.BASIC_ISO_DATE));
    Instant floor = first.plusDays(1).atStartOfDay(ZoneOffset.UTC).toInstant();
    String clean =
        String.format(
            Locale.ROOT,
            "SELECT partitions_dropped FROM inbox_clean(clock_timestamp() - '%s')",
            floor);
    long begin = System.nanoTime();
    long dropped = Storage.number(database, clean);
    double seconds = (System.nanoTime() - begin) / 1e9;
    if (dropped != 1) {
      throw new IllegalStateException("inbox_clean dropped " + dropped + " partitions, not one");
    }
    requireRows("inbox_message", sizes.datedIds() - perDay);
    report.atMost(
        String.format(Locale.ROOT, "30 days: seconds to forget a day of %,d ids", perDay),
        seconds,
        1.0,
        "%.3f");
  }

  private void requireRows(String table, long wanted) throws SQLException {
    long found = Storage.number(database, "SELECT count(*) FROM " + table);
    if (found != wanted) {
      throw new IllegalStateException(table + " has " + found + " rows, not " + wanted);
    }
  }
}
