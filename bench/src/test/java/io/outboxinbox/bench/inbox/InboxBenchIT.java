package io.outboxinbox.bench.inbox;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.bench.inbox.Options.Part;
import io.outboxinbox.bench.inbox.Report.Row;
import io.outboxinbox.bench.inbox.Report.Verdict;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class InboxBenchIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  private static final Sizes TINY = new Sizes(3, 10, 1, 100, 20_000, 20_000, 20_000);

  // Whether goals are met is for a quiet machine to say; here only what does not depend on time.
  @Test
  void measuresEverythingItPromises() throws Exception {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    Report report = new Report(new PrintStream(out, true, StandardCharsets.UTF_8));
    InboxBench.run(
        postgres::newDatabase, new Options(TINY, EnumSet.allOf(Part.class), true), report);
    report.print();

    assertThat(report.rows())
        .filteredOn(row -> row.verdict() != Verdict.NONE)
        .extracting(Row::measure)
        .containsExactly(
            "one by one, by hand with commitAndAdmit, compared with handler only",
            "one by one, InboxConsumer, compared with a plain consumer",
            "one by one, InboxConsumer, compared with handler only",
            "batch of 100, one update per message, compared with by hand",
            "batch of 100, one update for all, compared with by hand",
            "repeats answered from the cache, a second",
            "watermark: bytes on disk after all of them",
            "30 days: last compared with first, each against its control",
            "30 days: seconds to forget a day of 667 ids");
    assertThat(report.rows())
        .filteredOn(row -> row.measure().startsWith("watermark: bytes on disk after all"))
        .extracting(Row::verdict)
        .containsExactly(Verdict.PASS);
    assertThat(out.toString(StandardCharsets.UTF_8)).contains("measure", "figure", "goal");
  }
}
