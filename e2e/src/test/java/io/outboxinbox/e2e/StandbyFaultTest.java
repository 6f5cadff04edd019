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
import io.outboxinbox.e2e.rig.Stopwatch;
import io.outboxinbox.e2e.rig.Verdict;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/**
 * A frozen leader keeps its sessions, because its kernel answers for it, and when it wakes it goes
 * on in the middle of what it was doing. A standby must take over meanwhile, and the sleeper must
 * be shut out.
 */
class StandbyFaultTest {
  private static final Duration LEADS_WITHIN = Duration.ofSeconds(90);
  private static final Duration GIVES_UP_WITHIN = Duration.ofSeconds(60);
  private static final Limit TAKEOVER = new Limit("takeover", Duration.ofSeconds(10));
  private static final int BURST_ROWS = 3_000;

  private final long seed = Setting.seed();
  private final Duration frozenFor = Duration.ofSeconds(Setting.of("standby.frozenSeconds", 25));
  private final int eventsPerSecond = Setting.of("ledger.eventsPerSecond", 2_000);

  /** The default of the product; nothing the writers commit is larger. */
  private static final int ATOMIC_EVENTS = 10_000;

  @Test
  void standbyTakesOverFromAFrozenLeaderWhichIsFencedWhenItWakes() throws Exception {
    try (Stage stage = Stage.start()) {
      SourceDatabase database = SourceDatabase.create(stage.postgres());
      AgentConfig config = AgentConfig.of(database, stage.kafka().bootstrapServers(), Stage.TOPIC);
      try (LedgerRun run = LedgerRun.start(stage, database, seed);
          AgentProcess leader = AgentProcess.of("standby-leader", config);
          AgentProcess standby = AgentProcess.of("standby-other", config)) {
        leader.startAndLead(LEADS_WITHIN);
        standby.start();
        standby.awaitStatus(status -> status.is("STANDBY"), LEADS_WITHIN);
        Report report = new Report("Standby, seed " + seed);
        try (Load load = run.load(eventsPerSecond)) {
          run.reader()
              .await(run.writeBurst(BURST_ROWS).entries().get(0).id(), Duration.ofSeconds(60));
          freezeAndWake(leader, standby, report);
          load.stop();
        }
        Verdict verdict = run.finish(standby, ATOMIC_EVENTS);
        report.verdict(verdict).print();
        assertThat(verdict.isClean()).as(report.toString()).isTrue();
      }
    }
  }

  private void freezeAndWake(AgentProcess leader, AgentProcess standby, Report report)
      throws InterruptedException {
    Stopwatch frozen = Stopwatch.start();
    leader.freeze();
    standby.awaitStatus(status -> status.is("LEADING"), LEADS_WITHIN);
    TAKEOVER.check(frozen.elapsed(), report);
    TimeUnit.MILLISECONDS.sleep(frozenFor.minus(frozen.elapsed()).toMillis());
    int asleep = leader.log().length();
    leader.thaw();
    Stopwatch awake = Stopwatch.start();
    leader.awaitStatus(status -> status.is("STANDBY"), GIVES_UP_WITHIN);
    report.line(
        "frozen for %s; the sleeper stood by %s after it woke",
        Report.seconds(frozenFor), Report.seconds(awake.elapsed()));
    String sleeper = linesOf(leader.log().substring(asleep));
    report.line("the sleeper's log:%s", sleeper);
    assertThat(sleeper)
        .as("the sleeper gives up")
        .containsAnyOf("RETRYING", "WAITING_FOR_DATABASE", "WAITING_FOR_BROKER")
        .contains("standby: ", " leads source ");
    assertThat(standby.status().state())
        .as("the new leader, after the old one woke")
        .isEqualTo("LEADING");
  }

  /** Without libraries' stack traces. What woke it first depends on where it fell asleep. */
  private static String linesOf(String log) {
    return log.lines()
        .filter(line -> line.contains("Pipeline: "))
        .map(line -> "\n    " + line)
        .collect(Collectors.joining());
  }
}
