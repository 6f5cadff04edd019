package io.outboxinbox.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.e2e.rig.AgentConfig;
import io.outboxinbox.e2e.rig.AgentProcess;
import io.outboxinbox.e2e.rig.LedgerRun;
import io.outboxinbox.e2e.rig.Limit;
import io.outboxinbox.e2e.rig.Load;
import io.outboxinbox.e2e.rig.Report;
import io.outboxinbox.e2e.rig.Setting;
import io.outboxinbox.e2e.rig.SourceDatabase;
import io.outboxinbox.e2e.rig.Stage;
import io.outboxinbox.e2e.rig.Verdict;
import java.time.Duration;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/**
 * Two agents take turns: the leader goes, by force or in order, the other publishes on, and the
 * first comes back as the standby. Measured as consumers notice it: from the last event before to
 * the first event after.
 */
class HandoverFaultTest {
  private static final Duration LEADS_WITHIN = Duration.ofSeconds(90);
  private static final Limit AFTER_KILL =
      new Limit("silence after kill -9 of the leader", Duration.ofSeconds(3));
  private static final Limit AFTER_STOP =
      new Limit("silence when the leader is told to end", Duration.ofSeconds(2));
  private static final int STEADY_MARKERS = 100;

  /** The default of the product; nothing the writers commit is larger. */
  private static final int ATOMIC_EVENTS = 10_000;

  private final long seed = Setting.seed();
  private final int turns = Setting.of("handover.turns", 2);
  private final int eventsPerSecond = Setting.of("handover.eventsPerSecond", 1_000);

  @Test
  void standbyLeadsSoonAfterTheLeaderWasKilled() throws Exception {
    takeTurns("Handover after kill -9", "killed", AgentProcess::kill, AFTER_KILL);
  }

  @Test
  void rollingUpgradeOfTwoAgentsUnderLoadLosesAndDoublesNothing() throws Exception {
    takeTurns("Rolling upgrade", "upgraded", AgentProcess::stop, AFTER_STOP);
  }

  private static void awaitMarker(LedgerRun run) {
    run.reader().await(run.writeMarker().entries().get(0).id(), LEADS_WITHIN);
  }

  private void takeTurns(String title, String name, Consumer<AgentProcess> end, Limit limit)
      throws Exception {
    try (Stage stage = Stage.start()) {
      SourceDatabase database = SourceDatabase.create(stage.postgres());
      AgentConfig config = AgentConfig.of(database, stage.kafka().bootstrapServers(), Stage.TOPIC);
      try (LedgerRun run = LedgerRun.start(stage, database, seed);
          AgentProcess one = AgentProcess.of("handover-" + name + "-one", config);
          AgentProcess other = AgentProcess.ofOtherVersion("handover-" + name + "-other", config)) {
        one.startAndLead(LEADS_WITHIN);
        other.start();
        other.awaitStatus(status -> status.is("STANDBY"), LEADS_WITHIN);
        Report report = new Report(title + ", seed " + seed);
        AgentProcess leader = one;
        AgentProcess standby = other;
        try (Load load = run.load(eventsPerSecond)) {
          for (int turn = 0; turn < turns; turn++) {
            // More than one, so that the leader is in its stride and the reader has begun.
            for (int i = 0; i < STEADY_MARKERS; i++) {
              awaitMarker(run);
            }
            run.reader().forgetSilence();
            end.accept(leader);
            awaitMarker(run);
            limit.check(run.reader().longestSilence(), report);
            leader.start();
            leader.awaitStatus(status -> status.is("STANDBY"), LEADS_WITHIN);
            AgentProcess next = standby;
            standby = leader;
            leader = next;
          }
          load.stop();
        }
        Verdict verdict = run.finish(leader, ATOMIC_EVENTS);
        report.verdict(verdict).print();
        assertThat(verdict.isClean()).as(report.toString()).isTrue();
        assertThat(verdict.epochs()).as("epochs: nobody reset the sequence").isEqualTo(1);
      }
    }
  }
}
