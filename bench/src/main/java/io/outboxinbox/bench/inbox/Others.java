package io.outboxinbox.bench.inbox;

import io.outboxinbox.bench.inbox.Feed.Step;
import io.outboxinbox.inbox.Arrival;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.InboxMode;
import io.outboxinbox.inbox.Origin;
import io.outboxinbox.testkit.PostgresDatabase;
import java.sql.SQLException;
import java.util.List;
import java.util.Locale;

/** For comparison with dated ids: ids that say nothing of their time, and numbers. */
final class Others {
  private static final int PARTITIONS = 8;
  private static final int STEPS = 10;

  private final PostgresDatabase database;
  private final Sizes sizes;
  private final Report report;
  private final Ids ids = new Ids(3);

  private Others(PostgresDatabase database, Sizes sizes, Report report) {
    this.database = database;
    this.sizes = sizes;
    this.report = report;
  }

  static void measure(PostgresDatabase database, Sizes sizes, Report report) throws SQLException {
    database.runScript("schema/postgresql/10_inbox.sql");
    Others others = new Others(database, sizes, report);
    others.measureForeignIds();
    others.measureMarks();
  }

  private void measureForeignIds() throws SQLException {
    int messages = sizes.foreignIds();
    report.say("%,d ids that are no UUID version 7, in batches of %,d:", messages, Feed.BATCH);
    // They came forty days ago, so that they can be forgotten today.
    database.execute(
        "ALTER TABLE inbox_message ALTER received_at SET DEFAULT now() - interval '40 days'");
    long before = Storage.bytes(database, "inbox_message");
    List<Step> steps =
        new Feed(database, Inbox.named("bench").build(), report)
            .run(messages, messages / STEPS, n -> Arrival.of(ids.foreign()));
    long bytes = Storage.bytes(database, "inbox_message") - before;
    report.figure("foreign ids: ids a second", "%,.0f", median(steps));
    report.figure(
        "foreign ids: last tenth, compared with the first",
        "%.2f",
        steps.get(STEPS - 1).perSecond() / steps.get(0).perSecond());
    report.figure("foreign ids: bytes on disk per id", "%.1f", (double) bytes / messages);
    forgetForeignIds();
  }

  private void forgetForeignIds() throws SQLException {
    int rows = Math.min(10_000, sizes.foreignIds() / STEPS);
    String clean = "SELECT rows_deleted FROM inbox_clean(interval '30 days', " + rows + ")";
    Storage.number(database, clean);
    // The floor has just moved, and counts for these ids after some minutes only.
    database.execute("UPDATE inbox_floor SET moved_at = moved_at - interval '1 hour'");
    double[] seconds = new double[STEPS];
    for (int i = 0; i < STEPS; i++) {
      long begin = System.nanoTime();
      long deleted = Storage.number(database, clean);
      if (deleted != rows) {
        throw new IllegalStateException("inbox_clean deleted " + deleted + " rows, not " + rows);
      }
      seconds[i] = (System.nanoTime() - begin) / 1e9;
    }
    report.figure(
        String.format(Locale.ROOT, "foreign ids: seconds to forget %,d", rows),
        "%.3f",
        Rounds.median(seconds));
  }

  private void measureMarks() throws SQLException {
    int messages = sizes.numberedMessages();
    report.say(
        "%,d numbered messages of %d partitions, in batches of %,d:",
        messages, PARTITIONS, Feed.BATCH);
    Inbox inbox = Inbox.named("bench").mode(InboxMode.WATERMARK).build();
    Feed feed = new Feed(database, inbox, report);
    int step = messages / STEPS;
    feed.run(step, step, n -> numbered(n));
    long before = Storage.bytes(database, "inbox_watermark");
    List<Step> steps = feed.run(messages - step, step, n -> numbered(step + n));
    long after = Storage.bytes(database, "inbox_watermark");
    report.figure("watermark: messages a second", "%,.0f", median(steps));
    report.figure("watermark: bytes on disk after a tenth of them", "%,d", before);
    report.atMost(
        "watermark: bytes on disk after all of them", (double) after, (double) before, "%,.0f");
    long rows = Storage.number(database, "SELECT count(*) FROM inbox_watermark");
    if (rows != PARTITIONS) {
      throw new IllegalStateException("inbox_watermark has " + rows + " rows, not " + PARTITIONS);
    }
  }

  private static double median(List<Step> steps) {
    return Rounds.median(steps.stream().mapToDouble(Step::perSecond).toArray());
  }

  private Arrival numbered(long n) {
    // Of one partition after the other, as a consumer's poll returns them.
    int partition = (int) (n / Feed.BATCH % PARTITIONS);
    return new Arrival(ids.dated(), null, new Origin("shop", "orders", partition, 1, n));
  }
}
