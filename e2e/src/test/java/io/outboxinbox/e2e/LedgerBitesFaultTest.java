package io.outboxinbox.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.e2e.rig.AgentConfig;
import io.outboxinbox.e2e.rig.AgentProcess;
import io.outboxinbox.e2e.rig.Fault;
import io.outboxinbox.e2e.rig.LedgerRun;
import io.outboxinbox.e2e.rig.Report;
import io.outboxinbox.e2e.rig.Setting;
import io.outboxinbox.e2e.rig.SourceDatabase;
import io.outboxinbox.e2e.rig.Stage;
import io.outboxinbox.e2e.rig.Transaction;
import io.outboxinbox.e2e.rig.Verdict;
import java.sql.SQLException;
import java.time.Duration;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/**
 * The proof that the ledger bites: with a class of the agent replaced by one without the
 * protection, the same audit must fail. See src/unprotected.
 */
class LedgerBitesFaultTest {
  private static final Duration LEADS_WITHIN = Duration.ofSeconds(90);
  private static final int ATOMIC_EVENTS = 64;
  private static final int ROWS = 60_000;
  private static final int KILLS = 2;

  private static final int DEFAULT_ATOMIC_EVENTS = 10_000;
  private static final int WALSENDER_KILLS = 5;
  private static final int SMALL_ROWS = 50;

  private final long seed = Setting.seed();

  /** Every resent row counts as new. */
  @Test
  void findsTheDuplicatesOfAnAgentThatForgetsWhereInATransactionItWas() {
    try (Stage stage = Stage.start()) {
      SourceDatabase database = SourceDatabase.create(stage.postgres());
      AgentConfig config =
          AgentConfig.of(database, stage.kafka().bootstrapServers(), Stage.TOPIC)
              .batch("atomicEvents", String.valueOf(ATOMIC_EVENTS));
      try (LedgerRun run = LedgerRun.start(stage, database, seed);
          AgentProcess agent =
              AgentProcess.unprotected("bites-resume-point", config, "resume-point")) {
        agent.startAndLead(LEADS_WITHIN);
        for (int i = 0; i < KILLS; i++) {
          killInside(run, agent);
        }
        Verdict verdict = run.finish(agent, ATOMIC_EVENTS);
        Report report =
            new Report("Ledger without the resume point, must be dirty, seed " + seed)
                .line("%d x kill -9 inside transactions of %,d events", KILLS, ROWS)
                .verdict(verdict)
                .print();
        assertThat(verdict.count(Fault.DUPLICATED)).as(report.toString()).isPositive();
      }
    }
  }

  /**
   * Debezium looks for the resume point itself. Where the record right after the last COMMIT
   * belongs to a transaction that had begun before, it takes that one for processed.
   */
  @Test
  @EnabledIfSystemProperty(named = "e2e.long", matches = "true")
  void findsTheLossesOfAnAgentThatResumesWithDebeziumsOwnOffset() throws Exception {
    try (Stage stage = Stage.start()) {
      SourceDatabase database = SourceDatabase.create(stage.postgres());
      AgentConfig config = AgentConfig.of(database, stage.kafka().bootstrapServers(), Stage.TOPIC);
      try (LedgerRun run = LedgerRun.start(stage, database, seed);
          AgentProcess agent =
              AgentProcess.unprotected("bites-stock-offset", config, "stock-offset")) {
        agent.startAndLead(LEADS_WITHIN);
        for (int i = 0; i < WALSENDER_KILLS; i++) {
          killBetween(run, database);
        }
        Verdict verdict = run.finish(agent, DEFAULT_ATOMIC_EVENTS);
        Report report =
            new Report("Ledger with Debezium's own offset, must be dirty, seed " + seed)
                .line(
                    "%d x walsender killed after a COMMIT inside another transaction",
                    WALSENDER_KILLS)
                .verdict(verdict)
                .print();
        assertThat(verdict.count(Fault.LOST)).as(report.toString()).isPositive();
      }
    }
  }

  /** The rest of the outer transaction is in the log before the agent streams again. */
  private static void killBetween(LedgerRun run, SourceDatabase database) throws SQLException {
    publishOne(run);
    run.writeAround(
        SMALL_ROWS,
        () -> {
          publishOne(run);
          Awaitility.await("the agent streams")
              .atMost(LEADS_WITHIN)
              .pollDelay(Duration.ZERO)
              .pollInterval(Duration.ofMillis(10))
              .until(database::terminateWalsender);
        });
  }

  private static void publishOne(LedgerRun run) {
    run.reader().await(run.writeMarker().entries().get(0).id(), LEADS_WITHIN);
  }

  private static void killInside(LedgerRun run, AgentProcess agent) {
    Transaction large = run.writeBurst(ROWS);
    Awaitility.await("a part of the transaction is published")
        .atMost(LEADS_WITHIN)
        .pollDelay(Duration.ZERO)
        .pollInterval(Duration.ofMillis(2))
        .until(() -> run.reader().has(large.entries().get(0).id()));
    agent.kill();
    assertThat(run.reader().count(large)).as("published at the kill").isLessThan(ROWS);
    agent.start();
  }
}
