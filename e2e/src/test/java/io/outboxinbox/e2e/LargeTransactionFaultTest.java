package io.outboxinbox.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.e2e.rig.AgentConfig;
import io.outboxinbox.e2e.rig.AgentProcess;
import io.outboxinbox.e2e.rig.LedgerRun;
import io.outboxinbox.e2e.rig.Report;
import io.outboxinbox.e2e.rig.Setting;
import io.outboxinbox.e2e.rig.SourceDatabase;
import io.outboxinbox.e2e.rig.Stage;
import io.outboxinbox.e2e.rig.Stopwatch;
import io.outboxinbox.e2e.rig.Transaction;
import io.outboxinbox.e2e.rig.Verdict;
import java.time.Duration;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.locks.LockSupport;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** One transaction far larger than the agent's heap could hold at once. */
class LargeTransactionFaultTest {
  private static final Duration LEADS_WITHIN = Duration.ofSeconds(90);
  private static final Duration PUBLISHED_WITHIN = Duration.ofMinutes(10);
  private static final Duration PAUSE_MAX = Duration.ofMillis(300);
  private static final String HEAP = "-Xmx256m";

  /** The default of the product; a transaction above it is split. */
  private static final int ATOMIC_EVENTS = 10_000;

  private final long seed = Setting.seed();
  private final Random random = new Random(seed);
  private final int rows = Setting.of("large.rows", 100_000);

  private Stage stage;
  private LedgerRun run;
  private AgentProcess agent;

  @BeforeEach
  void start() {
    stage = Stage.start();
    SourceDatabase database = SourceDatabase.create(stage.postgres());
    run = LedgerRun.start(stage, database, seed);
    agent =
        AgentProcess.of(
            "large", AgentConfig.of(database, stage.kafka().bootstrapServers(), Stage.TOPIC), HEAP);
    agent.startAndLead(LEADS_WITHIN);
  }

  @AfterEach
  void close() {
    agent.close();
    run.close();
    stage.close();
  }

  /** The killed one below shows more; this one adds the time and memory of an undisturbed run. */
  @Test
  @EnabledIfSystemProperty(named = "e2e.long", matches = "true")
  void publishesATransactionLargerThanTheHeap() {
    Report report = new Report("Large transaction, seed " + seed);
    Stopwatch writing = Stopwatch.start();
    Transaction large = run.writeBurst(rows);
    Stopwatch publishing = Stopwatch.start();
    report.line("%,d events written in %s", rows, Report.seconds(writing.elapsed()));
    run.reader().await(last(large), PUBLISHED_WITHIN);
    report.line(
        "published %s after the commit, with %s, resident at most %d MiB",
        Report.seconds(publishing.elapsed()), HEAP, agent.peakMemoryMebibytes());
    audit(report);
  }

  @Test
  void resumesInTheMiddleOfATransactionLargerThanTheHeap() {
    Report report = new Report("Large transaction, killed in the middle, seed " + seed);
    Transaction large = run.writeBurst(rows);
    Stopwatch publishing = Stopwatch.start();
    awaitShare(large, 0.3);
    long before = kill(large);
    awaitShare(large, 0.6);
    long again = kill(large);
    report.line(
        "%,d events; killed with %,d and again with %,d of them published", rows, before, again);
    assertThat(again).as("published at the second kill, of " + rows).isLessThan(rows);
    run.reader().await(last(large), PUBLISHED_WITHIN);
    report.line("published %s after the commit", Report.seconds(publishing.elapsed()));
    audit(report);
  }

  private long kill(Transaction large) {
    // Between no time at all and about that of one Kafka transaction, so that some are open.
    LockSupport.parkNanos(random.nextLong(PAUSE_MAX.toNanos()));
    agent.kill();
    long published = run.reader().count(large);
    agent.start();
    return published;
  }

  private void awaitShare(Transaction large, double share) {
    Awaitility.await("a part of the transaction is published")
        .atMost(PUBLISHED_WITHIN)
        .pollDelay(Duration.ZERO)
        .pollInterval(Duration.ofMillis(5))
        .until(() -> run.reader().count() >= large.entries().size() * share);
  }

  private static UUID last(Transaction large) {
    return large.entries().get(large.entries().size() - 1).id();
  }

  private void audit(Report report) {
    Verdict verdict = run.finish(agent, ATOMIC_EVENTS);
    report.verdict(verdict).print();
    assertThat(verdict.isClean()).as(report.toString()).isTrue();
  }
}
