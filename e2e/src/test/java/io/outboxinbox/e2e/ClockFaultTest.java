package io.outboxinbox.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.outboxinbox.e2e.rig.AgentConfig;
import io.outboxinbox.e2e.rig.AgentProcess;
import io.outboxinbox.e2e.rig.LedgerRun;
import io.outboxinbox.e2e.rig.Load;
import io.outboxinbox.e2e.rig.Report;
import io.outboxinbox.e2e.rig.Setting;
import io.outboxinbox.e2e.rig.SourceDatabase;
import io.outboxinbox.e2e.rig.Stage;
import io.outboxinbox.e2e.rig.Stopwatch;
import io.outboxinbox.e2e.rig.Transaction;
import io.outboxinbox.e2e.rig.Verdict;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.awaitility.core.ConditionTimeoutException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** The clock of the agent's host jumps, forwards and back; those of the servers do not. */
class ClockFaultTest {
  private static final Duration LIMIT = Duration.ofSeconds(90);

  /** Brokers refuse records from more than an hour ahead, so this may pass without any. */
  private static final Duration WAITS_AT_MOST = Duration.ofSeconds(20);

  private static final int ATOMIC_EVENTS = 10_000;
  private static final int EVENTS_PER_SECOND = 300;

  /** As libfaketime wants them. */
  private static final List<Map.Entry<String, Duration>> JUMPS =
      List.of(
          Map.entry("-2h", Duration.ofHours(-2)),
          Map.entry("+30m", Duration.ofMinutes(30)),
          Map.entry("+0", Duration.ZERO),
          Map.entry("+2h", Duration.ofHours(2)),
          Map.entry("+0", Duration.ZERO));

  private static final Duration EXACT = Duration.ofMinutes(1);

  private final long seed = Setting.seed();

  @Test
  @EnabledIfSystemProperty(named = "e2e.long", matches = "true")
  void publishesOnceInOrderWhenItsClockJumps(@TempDir Path directory) throws Exception {
    Optional<Path> library = library();
    assumeTrue(library.isPresent(), "libfaketime is not installed (Debian: apt install faketime)");
    Path offset = directory.resolve("offset");
    Files.writeString(offset, "+0\n");
    try (Stage stage = Stage.start()) {
      SourceDatabase database = SourceDatabase.create(stage.postgres());
      AgentConfig config = AgentConfig.of(database, stage.kafka().bootstrapServers(), Stage.TOPIC);
      try (LedgerRun run = LedgerRun.start(stage, database, seed);
          AgentProcess agent =
              AgentProcess.of("clock", config)
                  .withEnvironment(
                      Map.of(
                          "LD_PRELOAD",
                          library.get().toString(),
                          "FAKETIME_TIMESTAMP_FILE",
                          offset.toString(),
                          "FAKETIME_NO_CACHE",
                          "1",
                          // A jump of the clock leaves the monotonic one alone.
                          "DONT_FAKE_MONOTONIC",
                          "1"))) {
        agent.startAndLead(LIMIT);
        Report report = new Report("Clock, seed " + seed);
        try (Load load = run.load(EVENTS_PER_SECOND)) {
          for (Map.Entry<String, Duration> jump : JUMPS) {
            Files.writeString(offset, jump.getKey() + "\n");
            awaitClock(agent, jump.getValue());
            Stopwatch sinceJump = Stopwatch.start();
            boolean isPublished = publishes(run);
            report.line(
                "clock at %s: %s after %s; agent is %s %s",
                jump.getKey(),
                isPublished ? "published" : "NOT published",
                Report.seconds(sinceJump.elapsed()),
                agent.status().state(),
                agent.status().reason());
          }
          load.stop();
        }
        Verdict verdict = run.finish(agent, ATOMIC_EVENTS);
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

  private static Optional<Path> library() throws IOException {
    Path libraries = Path.of("/usr/lib");
    if (!Files.isDirectory(libraries)) {
      return Optional.empty();
    }
    try (Stream<Path> found =
        Files.find(libraries, 3, (path, attributes) -> path.endsWith("libfaketimeMT.so.1"))) {
      return found.findFirst();
    }
  }
}
