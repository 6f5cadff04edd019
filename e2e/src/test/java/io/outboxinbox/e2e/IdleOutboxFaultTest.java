package io.outboxinbox.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.e2e.rig.AgentConfig;
import io.outboxinbox.e2e.rig.AgentProcess;
import io.outboxinbox.e2e.rig.BusyTable;
import io.outboxinbox.e2e.rig.LedgerRun;
import io.outboxinbox.e2e.rig.Report;
import io.outboxinbox.e2e.rig.Setting;
import io.outboxinbox.e2e.rig.SourceDatabase;
import io.outboxinbox.e2e.rig.Stage;
import io.outboxinbox.e2e.rig.Stopwatch;
import io.outboxinbox.e2e.rig.Verdict;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/**
 * Nothing happens in the outbox while other tables are busy: PostgreSQL then sends nothing that
 * would move the slot, and the log grows until the disk is full, unless the agent sees to it.
 */
@EnabledIfSystemProperty(named = "e2e.long", matches = "true")
class IdleOutboxFaultTest {
  private static final Duration LEADS_WITHIN = Duration.ofSeconds(90);
  private static final long MEBIBYTE = 1024 * 1024;
  private static final long LIMIT = 64 * MEBIBYTE;
  private static final int ATOMIC_EVENTS = 10_000;

  private final Duration duration = Duration.ofSeconds(Setting.of("idle.seconds", 20));

  /**
   * A slot frees log only about every 15 s, so this much times 15 must stay well below the limit.
   */
  private final int mebibytesPerSecond = Setting.of("idle.mebibytesPerSecond", 2);

  @Test
  void retainsLittleLogWhileOnlyOtherTablesAreWrittenTo() throws Exception {
    try (Stage stage = Stage.start()) {
      SourceDatabase database = SourceDatabase.create(stage.postgres());
      AgentConfig config = AgentConfig.of(database, stage.kafka().bootstrapServers(), Stage.TOPIC);
      try (LedgerRun run = LedgerRun.start(stage, database, Setting.seed());
          AgentProcess agent = AgentProcess.of("idle", config)) {
        agent.startAndLead(LEADS_WITHIN);
        run.reader().await(run.writeMarker().entries().get(0).id(), LEADS_WITHIN);
        long start = writtenBytes(database);
        long peak;
        try (BusyTable busy = BusyTable.start(database, mebibytesPerSecond)) {
          peak = peakWhileBusy(database, busy);
        }
        long written = writtenBytes(database) - start;
        Report report =
            new Report("Idle outbox beside a busy table")
                .line(
                    "%d MiB of log written in %d s; retained for the slot at most %d MiB, limit %d MiB",
                    written / MEBIBYTE, duration.toSeconds(), peak / MEBIBYTE, LIMIT / MEBIBYTE);
        Verdict verdict = run.finish(agent, ATOMIC_EVENTS);
        report.verdict(verdict).print();
        assertThat(written).as("log written, or the limit proves nothing").isGreaterThan(LIMIT);
        assertThat(peak).as(report.toString()).isLessThan(LIMIT);
        assertThat(verdict.isClean()).as(report.toString()).isTrue();
      }
    }
  }

  private long peakWhileBusy(SourceDatabase database, BusyTable busy)
      throws SQLException, InterruptedException {
    long peak = 0;
    Stopwatch stopwatch = Stopwatch.start();
    while (stopwatch.elapsed().compareTo(duration) < 0) {
      TimeUnit.MILLISECONDS.sleep(500);
      busy.requireAlive();
      peak = Math.max(peak, database.retainedBytes());
    }
    return peak;
  }

  private static long writtenBytes(SourceDatabase database) throws SQLException {
    String bytes = database.query("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn");
    return Long.parseLong(String.valueOf(bytes));
  }
}
