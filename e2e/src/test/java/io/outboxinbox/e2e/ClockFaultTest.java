package io.outboxinbox.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.outboxinbox.e2e.rig.AgentConfig;
import io.outboxinbox.e2e.rig.AgentProcess;
import io.outboxinbox.e2e.rig.Fault;
import io.outboxinbox.e2e.rig.LedgerRun;
import io.outboxinbox.e2e.rig.Load;
import io.outboxinbox.e2e.rig.MovableClock;
import io.outboxinbox.e2e.rig.Report;
import io.outboxinbox.e2e.rig.Setting;
import io.outboxinbox.e2e.rig.SourceDatabase;
import io.outboxinbox.e2e.rig.Stage;
import io.outboxinbox.e2e.rig.Stopwatch;
import io.outboxinbox.e2e.rig.Transaction;
import io.outboxinbox.e2e.rig.Verdict;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import org.awaitility.Awaitility;
import org.awaitility.core.ConditionTimeoutException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** The clock of the agent's host jumps, forwards and back; those of the servers do not. */
class ClockFaultTest {
  private static final Duration LIMIT = Duration.ofSeconds(90);

  /** Kafka's limit for a record's time being ahead of the broker's. */
  private static final Duration REFUSED_BY_BROKERS = Duration.ofHours(1);

  /** Brokers refuse records from more than an hour ahead, so this may pass without any. */
  private static final Duration WAITS_AT_MOST = Duration.ofSeconds(20);

  private static final int ATOMIC_EVENTS = 10_000;

  private static final List<Duration> JUMPS =
      List.of(
          Duration.ofHours(-2),
          Duration.ofMinutes(30),
          Duration.ZERO,
          Duration.ofHours(2),
          Duration.ZERO);

  private static final Duration EXACT = Duration.ofMinutes(1);

  private final long seed = Setting.seed();
  private final int eventsPerSecond = Setting.of("clock.eventsPerSecond", 5);

  @Test
  @EnabledIfSystemProperty(named = "e2e.long", matches = "true")
  void publishesOnceInOrderWhenItsClockJumps(@TempDir Path directory) throws Exception {
    Optional<MovableClock> movable = MovableClock.in(directory);
    assumeTrue(movable.isPresent(), "needs Linux and a C compiler named cc");
    MovableClock clock = movable.get();
    try (Stage stage = Stage.start()) {
      SourceDatabase database = SourceDatabase.create(stage.postgres());
      AgentConfig config = AgentConfig.of(database, stage.kafka().bootstrapServers(), Stage.TOPIC);
      try (LedgerRun run = LedgerRun.start(stage, database, seed);
          AgentProcess agent =
              AgentProcess.of("clock", config).withEnvironment(clock.environment())) {
        agent.startAndLead(LIMIT);
        Report report = new Report("Clock, seed " + seed);
        try (Load load = run.load(eventsPerSecond)) {
          for (Duration jump : JUMPS) {
            clock.moveTo(jump);
            awaitClock(agent, jump);
            Stopwatch sinceJump = Stopwatch.start();
            boolean isPublished = publishes(run);
            report.line(
                "clock at %s: %s after %s; agent is %s %s",
                jump,
                isPublished ? "published" : "NOT published",
                Report.seconds(sinceJump.elapsed()),
                agent.status().state(),
                agent.status().reason());
            assertThat(isPublished)
                .as("clock at %s: published", jump)
                .isEqualTo(jump.compareTo(REFUSED_BY_BROKERS) < 0);
          }
          load.stop();
        }
        // While it looks for what a broker refuses, the agent publishes events one by one.
        Verdict verdict = run.finish(agent, ATOMIC_EVENTS).without(EnumSet.of(Fault.TORN));
        report.verdict(verdict).print();
        assertThat(verdict.isClean()).as(report.toString()).isTrue();
      }
    }
  }

  private static void awaitClock(AgentProcess agent, Duration offset) {
    Awaitility.await("the agent's clock is at " + offset)
        .atMost(LIMIT)
        .until(
            () -> {
              Duration seen = Duration.between(Instant.now(), agent.clock());
              return seen.minus(offset).abs().compareTo(EXACT) < 0;
            });
  }

  private static boolean publishes(LedgerRun run) {
    Transaction marker = run.writeMarker();
    try {
      Awaitility.await()
          .atMost(WAITS_AT_MOST)
          .until(() -> run.reader().has(marker.entries().get(0).id()));
      return true;
    } catch (ConditionTimeoutException waits) {
      return false;
    }
  }
}
