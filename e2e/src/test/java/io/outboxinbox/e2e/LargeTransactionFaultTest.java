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
import java.util.UUID;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** One transaction far larger than the agent's heap could hold at once. */
class LargeTransactionFaultTest {
  private static final Duration LEADS_WITHIN = Duration.ofSeconds(90);
  private static final Duration PUBLISHED_WITHIN = Duration.ofMinutes(10);
  private static final String HEAP = "-Xmx256m";
  private static final int HITS = 2;

  /** The default of the product; a transaction above it is split. */
  private static final int ATOMIC_EVENTS = 10_000;

  private final long seed = Setting.seed();
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
    int hits = 0;
    for (int percent = 20; percent <= 80 && hits < HITS; percent += 10) {
      awaitShare(large, percent / 100.0);
      long open = kill();
      hits += open > 0 ? 1 : 0;
      report.line(
          "killed with %,d of %,d published, %,d more in an open Kafka transaction",
          run.reader().count(large), rows, open);
      agent.start();
    }
    assertThat(hits).as("kills inside a Kafka transaction\n" + report).isPositive();
    assertThat(run.reader().count(large)).as("published by then\n" + report).isLessThan(rows);
    run.reader().await(last(large), PUBLISHED_WITHIN);
    report.line("published %s after the commit", Report.seconds(publishing.elapsed()));
    audit(report);
  }

  private long kill() {
    stage.awaitOpenTransaction(Stage.TOPIC, PUBLISHED_WITHIN);
    agent.kill();
    return stage.brokerLog(Stage.TOPIC).openCopies();
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
