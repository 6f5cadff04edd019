package io.outboxinbox.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.outboxinbox.e2e.rig.AgentConfig;
import io.outboxinbox.e2e.rig.AgentProcess;
import io.outboxinbox.e2e.rig.LedgerRun;
import io.outboxinbox.e2e.rig.Load;
import io.outboxinbox.e2e.rig.Report;
import io.outboxinbox.e2e.rig.Setting;
import io.outboxinbox.e2e.rig.SmallDisk;
import io.outboxinbox.e2e.rig.SourceDatabase;
import io.outboxinbox.e2e.rig.Stage;
import io.outboxinbox.e2e.rig.Stopwatch;
import io.outboxinbox.e2e.rig.Verdict;
import io.outboxinbox.testkit.KafkaBroker;
import io.outboxinbox.testkit.PostgresServer;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** A server's disk runs full under load, and somebody makes room and starts it again. */
@EnabledIfSystemProperty(named = "e2e.long", matches = "true")
class DiskFaultTest {
  private static final Duration LIMIT = Duration.ofSeconds(90);
  private static final int ATOMIC_EVENTS = 10_000;
  private static final int EVENTS_PER_SECOND = 300;

  /** Room for what the run writes, and for the servers' own files. */
  private static final int BROKER_MEBIBYTES = 256;

  private static final int DATABASE_MEBIBYTES = 512;

  private final long seed = Setting.seed();
  private final Report report = new Report("Full disk, seed " + seed);
  private SmallDisk disk;

  private void mount(int mebibytes) {
    Optional<SmallDisk> mounted = SmallDisk.mount(mebibytes);
    assumeTrue(mounted.isPresent(), "mounting a tmpfs is not permitted here");
    disk = mounted.get();
  }

  @AfterEach
  void unmount() {
    if (disk != null) {
      disk.close();
    }
  }

  @Test
  void waitsForABrokerWhoseDiskIsFull() {
    mount(BROKER_MEBIBYTES);
    KafkaBroker.Options broker = KafkaBroker.Options.defaults().withDataDirectory(disk.directory());
    try (Stage stage = Stage.start(PostgresServer.Options.of(PostgresVersion.V17), broker)) {
      survives(
          stage,
          database -> {},
          () -> {
            stage.kafka().kill();
            stage.kafka().startAgain();
          });
    }
  }

  /** PostgreSQL ends itself when it cannot write its log. */
  @Test
  void waitsForADatabaseWhoseDiskIsFull() {
    mount(DATABASE_MEBIBYTES);
    PostgresServer.Options database =
        PostgresServer.Options.of(PostgresVersion.V17)
            .withDataDirectory(disk.directory())
            // Or recycled log files would be room enough for the whole run.
            .withSetting("min_wal_size", "32MB")
            .withSetting("max_wal_size", "32MB");
    try (Stage stage = Stage.start(database)) {
      survives(
          stage,
          this::exhaustLog,
          () -> {
            boolean hasEnded = stage.postgres().hasEnded();
            report.line("PostgreSQL %s", hasEnded ? "has ended itself" : "still runs");
            if (hasEnded) {
              stage.postgres().startAgain();
            }
          });
    }
  }

  /** Writes log until the server fails: what it has in stock would last for the whole run. */
  private void exhaustLog(SourceDatabase database) {
    for (int i = 0; i < DATABASE_MEBIBYTES; i++) {
      try {
        database.execute("SELECT pg_logical_emit_message(true, 'fill', repeat('x', 1024 * 1024))");
      } catch (SQLException e) {
        report.line("after %d MiB more of log: %s", i, e.getMessage());
        return;
      }
    }
  }

  private void survives(Stage stage, Consumer<SourceDatabase> exhaust, Runnable repair) {
    SourceDatabase database = SourceDatabase.create(stage.postgres());
    AgentConfig config = AgentConfig.of(database, stage.kafka().bootstrapServers(), Stage.TOPIC);
    try (LedgerRun run = LedgerRun.start(stage, database, seed);
        AgentProcess agent = AgentProcess.of("disk", config)) {
      agent.startAndLead(LIMIT);
      try (Load load = run.load(EVENTS_PER_SECOND)) {
        publishOne(run);
        Stopwatch full = Stopwatch.start();
        disk.fill();
        exhaust.accept(database);
        agent.awaitStatus(status -> !status.is("LEADING"), LIMIT);
        report.line(
            "disk full: %s after %s: %s",
            agent.status().state(), Report.seconds(full.elapsed()), agent.status().reason());
        disk.free();
        Stopwatch freed = Stopwatch.start();
        repair.run();
        publishOne(run);
        report.line("publishes again %s after there was room", Report.seconds(freed.elapsed()));
        load.stop();
      }
      Verdict verdict = run.finish(agent, ATOMIC_EVENTS);
      report.verdict(verdict).print();
      assertThat(verdict.isClean()).as(report.toString()).isTrue();
    }
  }

  private static void publishOne(LedgerRun run) {
    var marker = run.writeMarker();
    Awaitility.await("the marker is published")
        .atMost(LIMIT)
        .until(() -> run.reader().has(marker.entries().get(0).id()));
  }
}
