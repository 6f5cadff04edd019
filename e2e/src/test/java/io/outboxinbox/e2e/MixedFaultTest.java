package io.outboxinbox.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.e2e.rig.AgentConfig;
import io.outboxinbox.e2e.rig.AgentProcess;
import io.outboxinbox.e2e.rig.Chaos;
import io.outboxinbox.e2e.rig.Chaos.Verb;
import io.outboxinbox.e2e.rig.LedgerRun;
import io.outboxinbox.e2e.rig.Load;
import io.outboxinbox.e2e.rig.Report;
import io.outboxinbox.e2e.rig.Setting;
import io.outboxinbox.e2e.rig.SourceDatabase;
import io.outboxinbox.e2e.rig.Stage;
import io.outboxinbox.e2e.rig.Stopwatch;
import io.outboxinbox.e2e.rig.Verdict;
import java.time.Duration;
import java.util.EnumMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/**
 * Agent, walsender, broker and postmaster are killed in random order, many times, each time as soon
 * as the agent has published again and sometimes before. Every kill is a SIGKILL or as sudden.
 */
@EnabledIfSystemProperty(named = "e2e.long", matches = "true")
class MixedFaultTest {
  private static final Duration LEADS_WITHIN = Duration.ofSeconds(90);

  /** Below the larger COPYs, so that kills also meet transactions that are split. */
  private static final int ATOMIC_EVENTS = 64;

  private final long seed = Setting.seed();
  private final int cycles = Setting.of("mixed.cycles", 3);
  private final int eventsPerSecond = Setting.of("mixed.eventsPerSecond", 300);

  @Test
  void publishesEveryCommittedEventOnceInOrderThroughManyKills() throws Exception {
    try (Stage stage = Stage.start()) {
      SourceDatabase database = SourceDatabase.create(stage.postgres());
      AgentConfig config =
          AgentConfig.of(database, stage.kafka().bootstrapServers(), Stage.TOPIC)
              .batch("atomicEvents", String.valueOf(ATOMIC_EVENTS));
      try (LedgerRun run = LedgerRun.start(stage, database, seed);
          AgentProcess agent = AgentProcess.of("mixed", config)) {
        agent.startAndLead(LEADS_WITHIN);
        Report report = new Report("Mixed kills, seed " + seed);
        Chaos chaos = new Chaos(stage, database, run, agent, seed);
        Stopwatch whole = Stopwatch.start();
        try (Load load = run.load(eventsPerSecond)) {
          chaos.runCycles(cycles, weights());
          load.stop();
        }
        Duration took = whole.elapsed();
        Verdict verdict = run.finish(agent, ATOMIC_EVENTS);
        report.line("%s", chaos);
        report.line(
            "%s in all, %s a cycle", Report.seconds(took), Report.seconds(took.dividedBy(cycles)));
        chaos.reportRecoveries(report);
        report.verdict(verdict).print();
        assertThat(verdict.isClean()).as(report.toString()).isTrue();
        assertThat(verdict.epochs()).as("epochs: nobody reset the sequence").isEqualTo(1);
      }
    }
  }

  /** Brokers and postmasters take longest to come back, so they are killed less often. */
  private static Map<Verb, Integer> weights() {
    Map<Verb, Integer> weights = new EnumMap<>(Verb.class);
    weights.put(Verb.KILL_AGENT, 7);
    weights.put(Verb.KILL_WALSENDER, 7);
    weights.put(Verb.KILL_DATABASE, 4);
    weights.put(Verb.KILL_BROKER, 2);
    return weights;
  }
}
