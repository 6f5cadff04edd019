package io.outboxinbox.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.e2e.rig.AgentConfig;
import io.outboxinbox.e2e.rig.AgentProcess;
import io.outboxinbox.e2e.rig.ParkedTable;
import io.outboxinbox.e2e.rig.Published;
import io.outboxinbox.e2e.rig.Reader;
import io.outboxinbox.e2e.rig.Report;
import io.outboxinbox.e2e.rig.Setting;
import io.outboxinbox.e2e.rig.SourceDatabase;
import io.outboxinbox.e2e.rig.Stage;
import io.outboxinbox.e2e.rig.Stopwatch;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/**
 * One event is refused and a great many of its key follow: far more than the agent's heap holds.
 * The agent parks them, starts again, serves other keys, and releases all of them in order.
 */
class ParkedFloodFaultTest {
  private static final Duration LEADS_WITHIN = Duration.ofSeconds(90);
  private static final Duration SETTLES_WITHIN = Duration.ofMinutes(10);
  private static final String HEAP = "-Xmx256m";
  private static final String PIPELINE = "--pipeline";
  private static final int TRANSACTION_ROWS = 10_000;
  private static final int PAYLOAD_CHARACTERS = 4_000;

  private final int rows = Setting.of("flood.rows", 100_000);

  @Test
  @EnabledIfSystemProperty(named = "e2e.long", matches = "true")
  void parksAndReleasesMoreEventsOfOneKeyThanTheHeapHolds() throws Exception {
    try (Stage stage = Stage.start()) {
      SourceDatabase database = SourceDatabase.create(stage.postgres());
      AgentConfig config =
          AgentConfig.of(database, stage.kafka().bootstrapServers(), Stage.TOPIC)
              .route("allowedTopics", "[" + Stage.TOPIC + ", \"late*\"]");
      try (Reader reader = stage.read(Stage.TOPIC);
          AgentProcess agent = AgentProcess.of("parked-flood", config, HEAP)) {
        agent.startAndLead(LEADS_WITHIN);
        ParkedTable parked = new ParkedTable(database);
        Report report = new Report("%,d parked events of one key".formatted(rows + 1));
        Stopwatch parking = Stopwatch.start();
        insert(database, "flood", 0, 1, "'late'");
        for (int from = 1; from <= rows; from += TRANSACTION_ROWS) {
          insert(database, "flood", from, Math.min(TRANSACTION_ROWS, rows - from + 1), "NULL");
        }
        parked.await("state = 'waiting'", rows + 1, SETTLES_WITHIN);
        report.line("parked in %s, with %s", Report.seconds(parking.elapsed()), HEAP);

        agent.kill();
        Stopwatch starting = Stopwatch.start();
        agent.startAndLead(LEADS_WITHIN);
        report.line("killed; leads again after %s", Report.seconds(starting.elapsed()));
        insert(database, "other", 0, 1, "NULL");
        awaitCount(reader, 1);
        assertThat(reader.published().get(0).key()).as("what is published").isEqualTo("other");

        Stopwatch listing = Stopwatch.start();
        String page = agent.command("parked list", PIPELINE, AgentConfig.PIPELINE, "--limit", "50");
        report.line("first page listed in %s, Java included", Report.seconds(listing.elapsed()));
        assertThat(page).contains("next page: the same command with --after 50");
        assertThat(page).contains("late", "behind");

        Stopwatch releasing = Stopwatch.start();
        agent.command(
            "parked edit",
            PIPELINE,
            AgentConfig.PIPELINE,
            "1",
            "--no-topic",
            "--reason",
            "no such");
        String released =
            agent.command("parked release", PIPELINE, AgentConfig.PIPELINE, "1", "--wait");
        assertThat(released)
            .contains("release of 1 events is requested", "1 settled, 0 still parked");
        parked.await("state = 'waiting'", 0, SETTLES_WITHIN);
        awaitCount(reader, rows + 2);
        reader.awaitEnd(SETTLES_WITHIN);
        report
            .line(
                "released in %s, resident at most %d MiB",
                Report.seconds(releasing.elapsed()), agent.peakMemoryMebibytes())
            .print();
        assertThat(idsOf("flood", reader)).isEqualTo(idsIn(database));
      }
    }
  }

  private static void awaitCount(Reader reader, int count) {
    Awaitility.await(count + " events are published")
        .atMost(SETTLES_WITHIN)
        .until(() -> reader.count() >= count);
  }

  private static void insert(SourceDatabase database, String key, int from, int count, String topic)
      throws SQLException {
    database.execute(
        """
        INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type, payload, topic)
        SELECT 'account', '%s', 'Moved', json_build_object('n', n, 'x', repeat('x', %d)), %s
        FROM generate_series(%d, %d) AS n
        """
            .formatted(key, PAYLOAD_CHARACTERS, topic, from, from + count - 1));
  }

  private static List<String> idsOf(String key, Reader reader) {
    List<String> ids = new ArrayList<>();
    for (Published message : reader.published()) {
      if (message.key().equals(key)) {
        ids.add(message.id().toString());
      }
    }
    return ids;
  }

  private static List<String> idsIn(SourceDatabase database) throws SQLException {
    String ids =
        database.query(
            """
            SELECT string_agg(id::text, ',' ORDER BY (payload->>'n')::int) FROM outbox_event
            WHERE aggregate_id = 'flood'
            """);
    return List.of(String.valueOf(ids).split(",", -1));
  }
}
