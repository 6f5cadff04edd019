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
import io.outboxinbox.e2e.rig.Stopwatch;
import io.outboxinbox.e2e.rig.Verdict;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Set;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** The slot is dropped under load, with thousands of events unread that no slot will ever send. */
class ReconcileFaultTest {
  private static final Duration LEADS_WITHIN = Duration.ofMinutes(2);
  private static final int EVENTS_PER_SECOND = 500;
  private static final int PUBLISHED_BEFORE = 3_000;
  private static final int BURSTS = 5;
  private static final int BURST_ROWS = 2_000;
  private static final int ATOMIC_EVENTS = 10_000;

  /** Of rows no slot sends nobody knows the commit order, nor who committed together. */
  private static final Set<Fault> UNAVOIDABLE =
      EnumSet.of(Fault.REORDERED, Fault.OUT_OF_COMMIT_ORDER, Fault.TORN);

  private final long seed = Setting.seed();

  @Test
  void publishesTenThousandUnreadEventsOnceByItselfAfterTheSlotWasDropped() throws Exception {
    try (Stage stage = Stage.start()) {
      SourceDatabase database = SourceDatabase.create(stage.postgres());
      AgentConfig config = config(stage, database).source("onGap", "reconcile");
      try (LedgerRun run = LedgerRun.start(stage, database, seed);
          AgentProcess agent = AgentProcess.of("reconcile", config);
          Load load = run.load(EVENTS_PER_SECOND)) {
        Report report = new Report("Slot dropped under load, seed " + seed);
        loseTheSlot(run, agent, database);
        Stopwatch watch = Stopwatch.start();
        agent.startAndLead(LEADS_WITHIN);
        awaitDone(database);
        report.line("reconciled in %s: %s", watch.elapsed(), reportOf(database));
        // Again in the middle of it: nothing of the first attempt may stay behind.
        loseTheSlot(run, agent, database);
        agent.start();
        awaitPrepared(database);
        agent.kill();
        agent.startAndLead(LEADS_WITHIN);
        load.stop();
        Verdict verdict = run.finish(agent, ATOMIC_EVENTS).without(UNAVOIDABLE);
        report.line("and killed in the middle: %s", reportOf(database));
        report.verdict(verdict).print();
        assertThat(verdict.isClean()).as(report.toString()).isTrue();
        assertThat(verdict.epochs()).as("epochs").isEqualTo(1);
      }
    }
  }

  @Test
  @EnabledIfSystemProperty(named = "e2e.long", matches = "true")
  void waitsForTheOperatorsCommandAndGoesOnWithoutARestart() throws Exception {
    try (Stage stage = Stage.start()) {
      SourceDatabase database = SourceDatabase.create(stage.postgres());
      try (LedgerRun run = LedgerRun.start(stage, database, seed);
          AgentProcess agent = AgentProcess.of("reconcile-command", config(stage, database));
          Load load = run.load(EVENTS_PER_SECOND)) {
        loseTheSlot(run, agent, database);
        agent.start();
        agent.awaitStatus(status -> status.is("STOPPED"), LEADS_WITHIN);
        String preview = agent.command("reconcile", "--pipeline", AgentConfig.PIPELINE);
        assertThat(preview)
            .contains("cause: slot outbox_agent does not exist", "Add --yes to do it");
        String done =
            agent.command("reconcile", "--pipeline", AgentConfig.PIPELINE, "--yes", "--wait");
        assertThat(done).contains("reconciliation 1: done", "found in the topics");
        load.stop();
        Verdict verdict = run.finish(agent, ATOMIC_EVENTS).without(UNAVOIDABLE);
        Report report = new Report("Reconciled by command, seed " + seed);
        report.line("%s", reportOf(database));
        report.verdict(verdict).print();
        assertThat(verdict.isClean()).as(report.toString()).isTrue();
        assertThat(agent.command("reconcile", "--pipeline", AgentConfig.PIPELINE, "--report"))
            .contains("1 reconciliations of pipeline ledger");
      }
    }
  }

  private static AgentConfig config(Stage stage, SourceDatabase database) {
    return AgentConfig.of(database, stage.kafka().bootstrapServers(), Stage.TOPIC);
  }

  /** Leaves at least ten thousand events that were never read, and some that just were. */
  private static void loseTheSlot(LedgerRun run, AgentProcess agent, SourceDatabase database)
      throws Exception {
    int before = run.reader().count();
    if (!agent.isAlive()) {
      agent.startAndLead(LEADS_WITHIN);
    }
    Awaitility.await("events are published")
        .atMost(LEADS_WITHIN)
        .until(() -> run.reader().count() >= before + PUBLISHED_BEFORE);
    agent.kill();
    for (int i = 0; i < BURSTS; i++) {
      run.writeBurst(BURST_ROWS);
    }
    database.terminateWalsender();
    Awaitility.await("the slot is dropped")
        .atMost(LEADS_WITHIN)
        .ignoreExceptions()
        .until(
            () ->
                database.query("SELECT pg_drop_replication_slot('outbox_agent')") != null
                    || database.query("SELECT count(*) FROM pg_replication_slots").equals("0"));
  }

  private static void awaitDone(SourceDatabase database) {
    Awaitility.await("the reconciliation is done")
        .atMost(LEADS_WITHIN)
        .until(() -> "done".equals(stateOf(database)));
  }

  private static void awaitPrepared(SourceDatabase database) {
    Awaitility.await("a second reconciliation has begun")
        .atMost(LEADS_WITHIN)
        .pollDelay(Duration.ZERO)
        .pollInterval(Duration.ofMillis(5))
        .until(
            () ->
                !"1"
                    .equals(
                        database.query("SELECT max(reconciliation) FROM outbox_reconciliation")));
  }

  private static String stateOf(SourceDatabase database) throws Exception {
    return database.query(
        "SELECT state FROM outbox_reconciliation ORDER BY reconciliation DESC LIMIT 1");
  }

  private static String reportOf(SourceDatabase database) throws Exception {
    return database.query(
        """
        SELECT format('%s rows, %s candidates, %s found in the topics, %s published',
          rows_in_table, candidates, found_in_topics, published)
        FROM outbox_reconciliation ORDER BY reconciliation DESC LIMIT 1
        """);
  }
}
