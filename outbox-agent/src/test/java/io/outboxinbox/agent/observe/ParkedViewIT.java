package io.outboxinbox.agent.observe;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.datatype.jsr310.JavaTimeModule;
import io.outboxinbox.agent.configure.ConfigurationReader;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.operate.ParkedDesk;
import io.outboxinbox.agent.pipeline.PipelineStatus;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.watch.RetentionStatus;
import io.outboxinbox.agent.watch.WalBudget;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The page of parked events over a real table. */
class ParkedViewIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  private static final Page FOR_PEOPLE = Page.text(200, "page");

  private final ObjectMapper mapper =
      new ObjectMapper()
          .registerModule(new JavaTimeModule())
          .disable(SerializationFeature.WRITE_DATES_AS_TIMESTAMPS);
  private PostgresDatabase database;
  private SourceConfiguration source;
  private ParkedView view;

  @BeforeEach
  void prepare() throws Exception {
    database = postgres.newDatabase("04_agent");
    String yaml =
        """
        pipelines:
          - name: orders
            source: {host: "%s", port: %d, database: %s, username: "%s", password: "%s", sslMode: disable}
            route: {allowedTopics: ["*"]}
            publish: {type: kafka, bootstrapServers: "localhost:1"}
        """
            .formatted(
                database.host(),
                database.port(),
                database.name(),
                database.user(),
                database.password());
    source = new ConfigurationReader(Map.of()).read(yaml).pipelines().get(0).source();
    view =
        new ParkedView(
            List.of(new ObservedPipeline(this::status, Duration.ofSeconds(9), this::desk)),
            mapper,
            FOR_PEOPLE);
    String sourceId;
    try (ParkedDesk desk = desk()) {
      sourceId = desk.sourceId();
    }
    database.execute(
        """
        INSERT INTO outbox_parked (source, ordinal, event_id, aggregate_type, aggregate_id, event_type, payload, key,
          reason, is_behind, epoch, xid, lsn, committed_at)
        SELECT '%s', n, 'id-' || n, 'order', 'k', '<script>alert(1)</script>', 'secret', 'key-' || n %% 3,
          'event ''id-' || n || ''': topic order does not exist', n > 3, 1, 1, '0/1', now()
        FROM generate_series(1, 150) AS n
        """
            .formatted(sourceId));
  }

  private PipelineStatus status() {
    return new PipelineStatus(
        "orders",
        State.LEADING,
        Instant.EPOCH,
        "",
        true,
        "host-a/7",
        1,
        1,
        1,
        1,
        null,
        null,
        1,
        1,
        null,
        new PipelineStatus.Handover(null, null, 0, 0, 0, 0),
        WalBudget.UNKNOWN,
        0,
        0,
        0,
        null,
        0,
        0,
        new RetentionStatus(0, null, "", ""));
  }

  private ParkedDesk desk() {
    return ParkedDesk.open(
        source, new ParkedDesk.Templates("{aggregate_type}", "{aggregate_id}"), 5);
  }

  @Test
  void pagesThroughWhatWaitsAsJson() throws Exception {
    JsonNode first = mapper.readTree(view.json("orders", null).body());
    assertThat(first.at("/totals/events").asInt()).isEqualTo(150);
    assertThat(first.at("/totals/culprits").asInt()).isEqualTo(3);
    assertThat(first.at("/totals/keys").asInt()).isEqualTo(3);
    assertThat(first.at("/byTopic/order").asInt()).isEqualTo(150);
    assertThat(first.path("byReason").properties()).hasSize(1);
    assertThat(first.path("events")).hasSize(100);
    assertThat(first.path("next").asInt()).isEqualTo(100);
    JsonNode second = mapper.readTree(view.json("orders", "100").body());
    assertThat(second.path("events")).hasSize(50);
    assertThat(second.path("events").path(0).path("ordinal").asInt()).isEqualTo(101);
    assertThat(second.path("next").isNull()).isTrue();
    assertThat(first.toString()).doesNotContain("secret");
  }

  @Test
  void givesTextsOfRowsAsTheyAreButNoPayload() throws Exception {
    Page page = view.json(null, null);
    assertThat(page.contentType()).isEqualTo("application/json");
    JsonNode first = mapper.readTree(page.body()).at("/events/0");
    assertThat(first.path("eventType").asText()).isEqualTo("<script>alert(1)</script>");
    assertThat(first.path("reason").asText()).isEqualTo("event 'id-1': topic order does not exist");
    assertThat(page.body()).doesNotContain("secret");
  }

  @Test
  void hasWhatThePageShows() throws Exception {
    JsonNode parked = mapper.readTree(view.json("orders", null).body());
    PageFilesTest.assertNames("parked", parked);
    PageFilesTest.assertNames("parked.totals", parked.path("totals"));
    PageFilesTest.assertNames("event", parked.at("/events/0"));
  }

  @Test
  void saysEachReasonOnce() throws Exception {
    database.execute("DELETE FROM outbox_parked WHERE ordinal > 30");
    JsonNode parked = mapper.readTree(view.json(null, null).body());
    assertThat(parked.path("byReason").toString()).isEqualTo("{\"topic order does not exist\":30}");
    assertThat(parked.path("events")).hasSize(30);
    assertThat(parked.at("/events/0/isBehind").asBoolean()).isFalse();
  }

  @Test
  void answersOneCallerAtATime() {
    AtomicReference<Page> second = new AtomicReference<>();
    AtomicReference<ParkedView> slow = new AtomicReference<>();
    slow.set(
        new ParkedView(
            List.of(
                new ObservedPipeline(
                    this::status,
                    Duration.ofSeconds(9),
                    () -> {
                      if (second.get() == null) {
                        second.set(slow.get().json(null, null));
                      }
                      return desk();
                    })),
            mapper,
            FOR_PEOPLE));
    assertThat(slow.get().json(null, null).status()).isEqualTo(200);
    assertThat(second.get().status()).isEqualTo(503);
    assertThat(slow.get().json(null, null).status()).isEqualTo(200);
  }

  @Test
  void saysWhyThereIsNoAnswer() throws Exception {
    database.execute("DROP TABLE outbox_parked");
    Page page = view.json(null, null);
    assertThat(page.status()).isEqualTo(503);
    assertThat(page.body()).contains("has no table outbox_parked", "04_agent.sql");
    ParkedView gone =
        new ParkedView(
            List.of(
                new ObservedPipeline(
                    this::status,
                    Duration.ofSeconds(9),
                    () -> {
                      throw new AgentException.Retryable("database is away", null);
                    })),
            mapper,
            FOR_PEOPLE);
    assertThat(gone.json(null, null)).isEqualTo(Page.text(503, "database is away\n"));
  }
}
