package io.outboxinbox.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.e2e.rig.AgentConfig;
import io.outboxinbox.e2e.rig.AgentProcess;
import io.outboxinbox.e2e.rig.Fault;
import io.outboxinbox.e2e.rig.LedgerRun;
import io.outboxinbox.e2e.rig.Load;
import io.outboxinbox.e2e.rig.Report;
import io.outboxinbox.e2e.rig.Setting;
import io.outboxinbox.e2e.rig.SourceDatabase;
import io.outboxinbox.e2e.rig.Stage;
import io.outboxinbox.e2e.rig.Transaction;
import io.outboxinbox.e2e.rig.Verdict;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/**
 * The first start on a table that already has rows, while writers go on: no slot will ever send the
 * old rows, some transactions span its creation, and the agent is killed on the way.
 */
@EnabledIfSystemProperty(named = "e2e.long", matches = "true")
class BacklogFaultTest {
  private static final Duration LEADS_WITHIN = Duration.ofSeconds(90);
  private static final int OLD_ROWS = 60_000;
  private static final int EVENTS_PER_SECOND = 1_000;
  private static final int KILLS = 4;
  private static final long PAUSE_MILLIS_MAX = 200;
  private static final int ATOMIC_EVENTS = 10_000;

  /** Of rows older than the slot nobody knows the commit order, nor who committed together. */
  private static final Set<Fault> UNAVOIDABLE =
      EnumSet.of(Fault.REORDERED, Fault.OUT_OF_COMMIT_ORDER, Fault.TORN);

  private final long seed = Setting.seed();
  private final Random random = new Random(seed);

  @Test
  void publishesRowsOlderThanTheSlotOnceThroughKillsOnTheWay() throws Exception {
    try (Stage stage = Stage.start()) {
      SourceDatabase database = SourceDatabase.create(stage.postgres());
      AgentConfig config =
          AgentConfig.of(database, stage.kafka().bootstrapServers(), Stage.TOPIC)
              .batch("maxEvents", "500");
      try (LedgerRun run = LedgerRun.start(stage, database, seed);
          AgentProcess agent = AgentProcess.of("backlog", config);
          Load load = run.load(EVENTS_PER_SECOND)) {
        Transaction old = run.writeBurst(OLD_ROWS);
        agent.start();
        Report report = new Report("Backlog, seed " + seed);
        for (int kill = 1; kill <= KILLS; kill++) {
          awaitPublished(run, old.entries().size() * kill / (KILLS + 1));
          LockSupport.parkNanos(Duration.ofMillis(random.nextLong(PAUSE_MILLIS_MAX)).toNanos());
          agent.kill();
          report.line("killed with %,d published", run.reader().count());
          agent.start();
        }
        load.stop();
        Verdict verdict = run.finish(agent, ATOMIC_EVENTS).without(UNAVOIDABLE);
        report.verdict(verdict).print();
        assertThat(verdict.isClean()).as(report.toString()).isTrue();
      }
    }
  }

  private static void awaitPublished(LedgerRun run, int events) {
    Awaitility.await(events + " events are published")
        .atMost(LEADS_WITHIN)
        .pollDelay(Duration.ZERO)
        .pollInterval(Duration.ofMillis(5))
        .until(() -> run.reader().count() >= events);
  }
}
