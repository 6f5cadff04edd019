package io.outboxinbox.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.e2e.rig.AgentConfig;
import io.outboxinbox.e2e.rig.AgentProcess;
import io.outboxinbox.e2e.rig.Chaos;
import io.outboxinbox.e2e.rig.LedgerRun;
import io.outboxinbox.e2e.rig.Load;
import io.outboxinbox.e2e.rig.Report;
import io.outboxinbox.e2e.rig.Setting;
import io.outboxinbox.e2e.rig.SourceDatabase;
import io.outboxinbox.e2e.rig.Stage;
import io.outboxinbox.e2e.rig.Verdict;
import java.time.Duration;
import java.util.EnumMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

/**
 * Writers write, everything is killed at random moments, and at the end every committed event must
 * be there once, in order. All numbers are settings; README.md has the command of the long form.
 */
class LedgerFaultTest {
  private static final Duration LEADS_WITHIN = Duration.ofSeconds(90);

  /** Well below the larger COPYs, so that kills also meet transactions that are split. */
  private static final int ATOMIC_EVENTS = 64;

  private final long seed = Setting.seed();
  private final Duration duration = Duration.ofSeconds(Setting.of("ledger.seconds", 45));
  private final int eventsPerSecond = Setting.of("ledger.eventsPerSecond", 2_000);
  private final int atomicEvents = Setting.of("ledger.atomicEvents", ATOMIC_EVENTS);

  @Test
  void publishesEveryCommittedEventOnceInOrderThroughKillsOfEverything() throws Exception {
    try (Stage stage = Stage.start()) {
      SourceDatabase database = SourceDatabase.create(stage.postgres());
      AgentConfig config =
          AgentConfig.of(database, stage.kafka().bootstrapServers(), Stage.TOPIC)
              .batch("atomicEvents", String.valueOf(atomicEvents));
      try (LedgerRun run = LedgerRun.start(stage, database, seed);
          AgentProcess agent = AgentProcess.of("ledger", config)) {
        // Before the first event: of rows older than the slot nobody knows the commit order.
        agent.startAndLead(LEADS_WITHIN);
        Chaos chaos = new Chaos(stage, database, run, agent, seed);
        try (Load load = run.load(eventsPerSecond)) {
          chaos.run(duration, plan());
          load.stop();
        }
        Verdict verdict = run.finish(agent, atomicEvents);
        Report report =
            new Report("Ledger, seed " + seed)
                .line("%d s at %,d events/s; %s", duration.toSeconds(), eventsPerSecond, chaos)
                .verdict(verdict)
                .print();
        assertThat(verdict.isClean()).as(report.toString()).isTrue();
        assertThat(verdict.epochs()).as("epochs: nobody reset the sequence").isEqualTo(1);
      }
    }
  }

  private static Map<Chaos.Verb, Integer> plan() {
    Map<Chaos.Verb, Integer> plan = new EnumMap<>(Chaos.Verb.class);
    plan.put(Chaos.Verb.KILL_AGENT, Setting.of("ledger.agentKills", 3));
    plan.put(Chaos.Verb.KILL_WALSENDER, Setting.of("ledger.walsenderKills", 3));
    plan.put(Chaos.Verb.STOP_DATABASE, Setting.of("ledger.databaseStops", 1));
    plan.put(Chaos.Verb.KILL_DATABASE, Setting.of("ledger.databaseKills", 0));
    plan.put(Chaos.Verb.STOP_BROKER, Setting.of("ledger.brokerStops", 1));
    plan.put(Chaos.Verb.KILL_BROKER, Setting.of("ledger.brokerKills", 0));
    return plan;
  }
}
