package io.outboxinbox.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.e2e.rig.AgentConfig;
import io.outboxinbox.e2e.rig.AgentProcess;
import io.outboxinbox.e2e.rig.Limit;
import io.outboxinbox.e2e.rig.ParkedTable;
import io.outboxinbox.e2e.rig.PoisonLoad;
import io.outboxinbox.e2e.rig.Reader;
import io.outboxinbox.e2e.rig.Report;
import io.outboxinbox.e2e.rig.Setting;
import io.outboxinbox.e2e.rig.SourceDatabase;
import io.outboxinbox.e2e.rig.Stage;
import io.outboxinbox.e2e.rig.Stopwatch;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.common.config.ConfigResource;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/**
 * Events the broker will never take, of five kinds, among good ones. They and what follows them on
 * their keys wait; nobody else does. Once what is wrong is mended, everything arrives in order.
 */
class PoisonFaultTest {
  private static final Duration LEADS_WITHIN = Duration.ofSeconds(90);
  private static final Duration SETTLES_WITHIN = Duration.ofMinutes(5);
  private static final Limit LATENCY =
      new Limit("99 of 100 good events, commit to consumer", Duration.ofMillis(100));
  private static final Duration WARM_UP = Duration.ofSeconds(5);
  private static final int MEBIBYTE = 1024 * 1024;

  /** What the container image sets, or has Java choose, with the limit of docker-compose.yml. */
  private static final String[] AS_IN_THE_IMAGE = {"-XX:+UseSerialGC", "-Xmx256m"};

  private final long seed = Setting.seed();
  private final Duration duration = Duration.ofSeconds(Setting.of("poison.seconds", 10));
  private final int eventsPerSecond = Setting.of("poison.eventsPerSecond", 500);
  private final int poisonEvents = Setting.of("poison.events", 25);

  @Test
  void holdsBackOnlyKeysWithPoisonAndReleasesThemInOrder() throws Exception {
    try (Stage stage = Stage.start()) {
      SourceDatabase database = SourceDatabase.create(stage.postgres());
      // With the table's own limits the application would have been refused, and nothing to park.
      for (String limit :
          List.of(
              "payload_at_most_1000000_bytes",
              "headers_at_most_16384_bytes",
              "headers_must_be_fit_to_send")) {
        database.execute("ALTER TABLE outbox_event DROP CONSTRAINT outbox_event_" + limit);
      }
      try (Reader reader = stage.read(Stage.TOPIC);
          AgentProcess agent = AgentProcess.of("poison", config(stage, database), AS_IN_THE_IMAGE);
          PoisonLoad load = new PoisonLoad(database, seed)) {
        agent.startAndLead(LEADS_WITHIN);
        Report report = new Report("Poison, seed " + seed);
        load.run(WARM_UP, eventsPerSecond, 0);
        load.forgetTimes();
        load.run(duration, eventsPerSecond, poisonEvents);
        ParkedTable parked = new ParkedTable(database);
        Awaitility.await("every event is published or parked")
            .atMost(SETTLES_WITHIN)
            .until(() -> reader.count() + parked.count("true") >= load.written());
        report.line(
            "%,d events, %d of them poison on 50 of 1,000 keys; %,d wait, %,d of them behind another",
            load.written(),
            load.poisoned(),
            parked.count("state = 'waiting'"),
            parked.count("state = 'waiting' AND is_behind"));
        assertThat(parked.count("true")).isGreaterThanOrEqualTo(load.poisoned());
        Duration latency = awaitLatency(load, reader, report);
        Stopwatch releasing = Stopwatch.start();
        mend(stage, database);
        try (Reader late = stage.read(PoisonLoad.LATE_TOPIC)) {
          releaseAll(parked);
          report.line("mended and released in %s", Report.seconds(releasing.elapsed()));
          assertEverythingArrivedOnceInOrder(
              load, Map.of(Stage.TOPIC, reader, PoisonLoad.LATE_TOPIC, late), report);
        }
        // A build shares its processors with others, and 10 s are too short to tell.
        if (Boolean.getBoolean("e2e.long")) {
          LATENCY.check(latency, report);
        }
      }
    }
  }

  private static AgentConfig config(Stage stage, SourceDatabase database) {
    return AgentConfig.of(database, stage.kafka().bootstrapServers(), Stage.TOPIC)
        // Allowed, but not by name: a name would have to exist at the start.
        .route("allowedTopics", "[" + Stage.TOPIC + ", \"" + PoisonLoad.LATE_TOPIC + "*\"]")
        .publish("properties", "{max.request.size: \"" + 16 * MEBIBYTE + "\"}");
  }

  /** What 99 of 100 events of other keys took at most. */
  private static Duration awaitLatency(PoisonLoad load, Reader reader, Report report) {
    Awaitility.await("every good event of other keys is published")
        .atMost(SETTLES_WITHIN)
        .until(() -> load.latencies(reader).size() >= load.untouched());
    List<Duration> latencies = load.latencies(reader);
    Duration p99 = latencies.get(latencies.size() * 99 / 100);
    report.line(
        "other keys: %,d events, commit to consumer p50 %d ms, p99 %d ms, longest %d ms",
        latencies.size(),
        latencies.get(latencies.size() / 2).toMillis(),
        p99.toMillis(),
        latencies.get(latencies.size() - 1).toMillis());
    return p99;
  }

  /** What an operator does about each kind, then releases. */
  private static void mend(Stage stage, SourceDatabase database) throws Exception {
    stage.createTopic(PoisonLoad.LATE_TOPIC);
    try (Admin admin = stage.kafka().admin()) {
      var raised = new ConfigEntry("max.message.bytes", String.valueOf(16 * MEBIBYTE));
      admin
          .incrementalAlterConfigs(
              Map.of(
                  new ConfigResource(ConfigResource.Type.TOPIC, Stage.TOPIC),
                  List.of(new AlterConfigOp(raised, AlterConfigOp.OpType.SET))))
          .all()
          .get();
    }
    edit(database, "topic = NULL", "topic = '" + PoisonLoad.FORBIDDEN_TOPIC + "'");
    edit(database, "headers = '{}'", "headers <> '{}'");
  }

  /** More than once: the agent may look at a limit just raised a few seconds late. */
  private static void releaseAll(ParkedTable parked) {
    Awaitility.await("nothing waits any more")
        .atMost(SETTLES_WITHIN)
        .pollInterval(Duration.ofSeconds(1))
        .until(
            () -> {
              parked.release("NOT is_behind AND requested IS NULL");
              return parked.count("state = 'waiting'") == 0;
            });
  }

  private static void edit(SourceDatabase database, String change, String condition)
      throws SQLException {
    database.execute(
        "UPDATE outbox_parked SET " + change + " WHERE state = 'waiting' AND " + condition);
  }

  private static void assertEverythingArrivedOnceInOrder(
      PoisonLoad load, Map<String, Reader> readers, Report report) {
    Awaitility.await("everything has arrived")
        .atMost(SETTLES_WITHIN)
        .until(() -> readers.values().stream().mapToInt(Reader::count).sum() >= load.written());
    readers.values().forEach(reader -> reader.awaitEnd(SETTLES_WITHIN));
    Map<String, List<UUID>> arrived = PoisonLoad.arrived(readers);
    boolean isSame = arrived.equals(load.expected());
    report
        .line(
            "arrived %,d of %,d, each once and in order per key: %s",
            arrived.values().stream().mapToInt(List::size).sum(), load.written(), isSame)
        .print();
    for (Map.Entry<String, List<UUID>> key : load.expected().entrySet()) {
      assertThat(arrived.get(key.getKey())).as(key.getKey()).isEqualTo(key.getValue());
    }
    assertThat(arrived.keySet()).isEqualTo(load.expected().keySet());
  }
}
