package io.outboxinbox.agent.observe;

import static org.assertj.core.api.Assertions.assertThat;

import com.codahale.metrics.MetricRegistry;
import com.codahale.metrics.SharedMetricRegistries;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.datatype.jsr310.JavaTimeModule;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.pipeline.PipelineStatus;
import io.outboxinbox.agent.pipeline.PipelineStatus.Handover;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.agent.watch.RetentionStatus;
import io.outboxinbox.agent.watch.WalBudget;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ObservatoryTest {
  private static final Instant NOW = Instant.parse("2026-01-01T12:00:00Z");
  private static final Duration LIMIT = Duration.ofSeconds(15);
  private static final Clock CLOCK = Clock.fixed(NOW, ZoneOffset.UTC);

  private static final RunningAgent AGENT = new RunningAgent("1.2.3", "host-a", 77);

  private static PipelineStatus status(State state, String reason, Instant since, Instant pulse) {
    return status("orders", state, reason, new Times(since, pulse), Trouble.NONE);
  }

  private static PipelineStatus withoutPartitions(String why) {
    return status("orders", State.LEADING, "", new Times(NOW, NOW), new Trouble(0, why));
  }

  static PipelineStatus withParked(State state) {
    return status("orders", state, "", new Times(NOW.minusNanos(1), NOW), new Trouble(30, ""));
  }

  static PipelineStatus withReason(State state, String reason) {
    return status(state, reason, NOW.minusNanos(1), null);
  }

  private record Times(Instant since, Instant pulse) {}

  private record Trouble(int parked, String ofPartitions) {
    static final Trouble NONE = new Trouble(0, "");
  }

  private static PipelineStatus status(
      String name, State state, String reason, Times times, Trouble trouble) {
    int parked = trouble.parked();
    boolean leader = state == State.LEADING;
    return new PipelineStatus(
        name,
        state,
        times.since(),
        reason,
        leader,
        leader ? "host-a/77" : "host-b/8 at 10.0.0.2",
        42,
        41,
        7,
        12.5,
        times.pulse(),
        null,
        1024,
        3,
        null,
        new Handover(null, null, 0, 0, 0, 0),
        WalBudget.UNKNOWN,
        parked == 0 ? 0 : 121,
        parked,
        parked / 10,
        parked == 0 ? null : NOW.minusNanos(1),
        7,
        2,
        new RetentionStatus(2, NOW, "", trouble.ofPartitions()));
  }

  private static ObservedPipeline observed(PipelineStatus status) {
    return new ObservedPipeline(
        () -> status,
        LIMIT,
        () -> {
          throw new AgentException.Retryable("database shop: <nobody> answers", null);
        });
  }

  private static String problem(PipelineStatus status) {
    return observed(status).look(NOW).problem();
  }

  @Test
  void leaderIsReadyWhileItsPulseIsFresh() {
    Instant longAgo = NOW.minusSeconds(3600);
    assertThat(problem(status(State.LEADING, "", longAgo, NOW.minusSeconds(15)))).isEmpty();
    assertThat(problem(status(State.LEADING, "", longAgo, NOW.minusSeconds(16))))
        .isEqualTo(
            "LEADING, but no pulse came back through the log for 16 s (limit 15 s): the stream stalls");
  }

  @Test
  void newLeaderHasTimeForItsFirstPulse() {
    Instant earlierTerm = NOW.minusSeconds(3600);
    assertThat(problem(status(State.LEADING, "", NOW.minusSeconds(5), earlierTerm))).isEmpty();
    assertThat(problem(status(State.LEADING, "", NOW.minusSeconds(5), null))).isEmpty();
    assertThat(problem(status(State.LEADING, "", NOW.minusSeconds(60), null))).contains("60 s");
  }

  @Test
  void standbyIsReady() {
    assertThat(problem(status(State.STANDBY, "", NOW.minusSeconds(9999), null))).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(
      mode = EnumSource.Mode.EXCLUDE,
      names = {"LEADING", "STANDBY"})
  void everyOtherStateIsNotReadyAndSaysWhy(State state) throws Exception {
    PipelineStatus status = status(state, "slot orders is gone", NOW, NOW);
    assertThat(problem(status)).startsWith(state.name()).endsWith(": slot orders is gone");
    PipelineHealthCheck check = new PipelineHealthCheck(observed(status), CLOCK);
    assertThat(check.execute().isHealthy()).isFalse();
    assertThat(check.execute().getMessage()).contains("slot orders is gone");
  }

  static StatusView view(PipelineStatus... statuses) {
    ObjectMapper mapper =
        new ObjectMapper()
            .registerModule(new JavaTimeModule())
            .disable(SerializationFeature.WRITE_DATES_AS_TIMESTAMPS);
    List<ObservedPipeline> pipelines =
        List.of(statuses).stream().map(ObservatoryTest::observed).toList();
    return new StatusView(AGENT, pipelines, CLOCK, mapper);
  }

  /** What programs get, the page among them, which makes words of it: see PageFilesTest. */
  private static JsonNode json(PipelineStatus... statuses) throws Exception {
    return new ObjectMapper().readTree(view(statuses).json().body());
  }

  @Test
  void readinessIsUnavailableUntilEveryPipelineIsReady() {
    PipelineStatus good = status(State.LEADING, "", NOW, NOW);
    PipelineStatus bad =
        status(
            "bills", State.WAITING_FOR_BROKER, "broker away", new Times(NOW, null), Trouble.NONE);
    assertThat(view(good).readiness())
        .isEqualTo(Page.text(200, "ready\norders: LEADING since " + NOW + "\n"));
    Page page = view(good, bad).readiness();
    assertThat(page.status()).isEqualTo(503);
    assertThat(page.body())
        .isEqualTo(
            "bills: WAITING_FOR_BROKER since %1$s: broker away\norders: LEADING since %1$s\n"
                .formatted(NOW));
  }

  @Test
  void readinessSaysWhatIsParkedAndHeldBackThoughItIsReady() {
    assertThat(view(withParked(State.LEADING)).readiness())
        .isEqualTo(
            Page.text(
                200,
                """
                ready
                orders: LEADING since 2026-01-01T11:59:59Z
                orders: warning: parked events: 30, keys they hold: 3, the oldest since 2026-01-01T11:59:59Z; see /parked
                orders: warning: a transaction that does not end has held events of a partition back from consumers for 121 s
                """));
    PipelineHealthCheck check = new PipelineHealthCheck(observed(withParked(State.LEADING)), CLOCK);
    assertThat(check.execute().isHealthy()).isTrue();
    assertThat(check.execute().getMessage()).startsWith("LEADING; warning: parked events: 30");
  }

  @Test
  void saysWhoLeadsWhereThisAgentStandsBy() throws Exception {
    PipelineStatus standby = status(State.STANDBY, "", NOW, null);
    String line = "STANDBY since " + NOW + ", host-b/8 at 10.0.0.2 leads";
    assertThat(view(standby).readiness().body()).isEqualTo("ready\norders: " + line + "\n");
    assertThat(json(standby).at("/pipelines/0/ledBy").asText()).isEqualTo("host-b/8 at 10.0.0.2");
  }

  @Test
  void thePageMarksAPipelineWithParkedEvents() throws Exception {
    JsonNode good = json(status(State.LEADING, "", NOW, NOW)).at("/pipelines/0");
    assertThat(good.path("ready").asBoolean()).isTrue();
    assertThat(good.path("warnings")).isEmpty();
    JsonNode parked = json(withParked(State.LEADING)).at("/pipelines/0");
    assertThat(parked.path("ready").asBoolean()).isTrue();
    assertThat(parked.path("warnings").path(0).asText()).startsWith("parked events: 30");
    assertThat(json(withParked(State.STOPPED)).at("/pipelines/0/ready").asBoolean()).isFalse();
    // The page goes by these two.
    assertThat(PageFilesTest.read("page.js"))
        .contains("if (!pipeline.ready) {\n    return [\"bad\", \"not ready\"];")
        .contains(
            "pipeline.warnings.length === 0 ? [\"good\", \"ready\"] : [\"warn\", \"ready, but");
  }

  @Test
  void problemsAndWarningsHaveNoFractionsOfSeconds() throws Exception {
    Instant moment = NOW.plusNanos(123_456_789);
    assertThat(json(status(State.STOPPED, "gone", moment, moment)).at("/pipelines/0/problem"))
        .hasToString("\"STOPPED since " + NOW + ": gone\"");
    assertThat(json(withParked(State.LEADING)).at("/pipelines/0/warnings/0").asText())
        .contains("the oldest since 2026-01-01T11:59:59Z;");
  }

  @Test
  void saysWhichVersionRunsWhere() throws Exception {
    PipelineStatus good = status(State.LEADING, "", NOW, NOW);
    assertThat(new ObjectMapper().readTree(view(good).json().body()).path("agent"))
        .isEqualTo(
            new ObjectMapper().readTree("{\"version\":\"1.2.3\",\"host\":\"host-a\",\"pid\":77}"));
    assertThat(RunningAgent.of(Test.class, "here").version()).matches("[0-9]+\\.[0-9]+\\.[0-9]+");
    assertThat(RunningAgent.of(ObservatoryTest.class, "here").version()).isEqualTo("unknown");
  }

  @Test
  void warnsWhenPartitionsCannotBeMade() {
    PipelineStatus status = withoutPartitions("must be owner of <x>");
    assertThat(view(status).readiness().body())
        .endsWith("\norders: warning: must be owner of <x>\n");
  }

  @Test
  void isAliveWhateverItWaitsFor() {
    PipelineStatus waiting = status(State.WAITING_FOR_BROKER, "broker away", NOW, null);
    PipelineStatus stopped = status(State.STOPPED, "slot orders is gone", NOW, null);
    assertThat(view(waiting, stopped).liveness(new DeadThreads()))
        .isEqualTo(Page.text(200, "live\n"));
  }

  @ParameterizedTest
  @EnumSource(names = {"OUT_OF_MEMORY", "CRASHED"})
  void isNotAliveWhenOnlyAnotherProcessCanHelp(State state) {
    Page page = view(status(state, "the heap is full", NOW, null)).liveness(new DeadThreads());
    assertThat(page.status()).isEqualTo(503);
    assertThat(page.body()).startsWith("orders: " + state).contains("the heap is full");
  }

  @Test
  void isNotAliveOnceAThreadHasEndedByAnError() {
    DeadThreads dead = new DeadThreads();
    PipelineStatus good = status(State.LEADING, "", NOW, NOW);
    dead.uncaughtException(new Thread(() -> {}, "other"), new IllegalStateException("weather"));
    assertThat(view(good).liveness(dead).status()).isEqualTo(200);
    dead.uncaughtException(new Thread(() -> {}, "watch-orders"), new NoClassDefFoundError("X"));
    assertThat(view(good).liveness(dead))
        .isEqualTo(
            Page.text(
                503,
                "thread watch-orders ended: java.lang.NoClassDefFoundError: X; fix: start the agent again\n"));
  }

  @Test
  void statusIsJsonWithEveryFieldOfThePipeline() throws Exception {
    Page page = view(status(State.LEADING, "", NOW, NOW)).json();
    JsonNode root = new ObjectMapper().readTree(page.body());
    assertThat(root.path("ready").asBoolean()).isTrue();
    JsonNode pipeline = root.path("pipelines").path(0);
    assertThat(pipeline.path("state").asText()).isEqualTo("LEADING");
    assertThat(pipeline.path("lastPulseAt").asText()).isEqualTo(NOW.toString());
    assertThat(pipeline.path("eventsPublished").asLong()).isEqualTo(42);
    assertThat(pipeline.path("ready").asBoolean()).isTrue();
    assertThat(pipeline.size()).isEqualTo(PipelineStatus.class.getRecordComponents().length + 3);
  }

  @Test
  void parkedEventsNeedTheDatabaseAndAKnownPipeline() {
    List<ObservedPipeline> pipelines = List.of(observed(status(State.LEADING, "", NOW, NOW)));
    ParkedView view = new ParkedView(pipelines, new ObjectMapper(), Page.text(200, "page"));
    for (int i = 0; i < 2; i++) {
      assertThat(view.json("orders", null))
          .isEqualTo(Page.text(503, "database shop: <nobody> answers\n"));
    }
    assertThat(view.json("other", null).status()).isEqualTo(404);
    assertThat(view.json(null, "1 OR 1=1").status()).isEqualTo(400);
  }

  /** What an agent with one pipeline serves, but for the metrics of its Java machine. */
  static String metrics() {
    List<ObservedPipeline> pipelines = List.of(observed(status(State.LEADING, "", NOW, NOW)));
    return Observatory.metrics(AGENT, pipelines, new MetricRegistry(), CLOCK).scrape();
  }

  @Test
  void metricsAreReadableByPrometheus() {
    Set<String> registriesBefore = Set.copyOf(SharedMetricRegistries.names());
    MetricRegistry registry = new MetricRegistry();
    registry.register("jvm.memory.heap-used", (com.codahale.metrics.Gauge<Long>) () -> 5L);
    registry.register("jvm.name", (com.codahale.metrics.Gauge<String>) () -> "text");
    registry.timer("commit").update(250, TimeUnit.MILLISECONDS);
    registry.histogram("batch").update(10);
    registry.meter("calls").mark(2);
    registry.counter("open").inc();
    PipelineStatus status = status(State.LEADING, "", NOW, NOW);
    String text = Observatory.metrics(AGENT, List.of(observed(status)), registry, CLOCK).scrape();
    assertThat(text)
        .contains(
            "# TYPE outbox_agent_events_published_total counter\noutbox_agent_events_published_total{pipeline=\"orders\"} 42.0\n",
            "outbox_agent_info{version=\"1.2.3\"} 1\n",
            "outbox_agent_ready{pipeline=\"orders\"} 1.0\n",
            "outbox_agent_state{pipeline=\"orders\",state=\"LEADING\"} 1.0\n",
            "outbox_agent_state{pipeline=\"orders\",state=\"STANDBY\"} 0.0\n",
            "outbox_agent_capture_latency_seconds{pipeline=\"orders\"} 0.0125\n",
            "outbox_agent_last_pulse_timestamp_seconds{pipeline=\"orders\"} 1.7672688E9\n",
            "outbox_agent_last_publish_timestamp_seconds{pipeline=\"orders\"} 0.0\n",
            "jvm_memory_heap_used 5.0\n",
            "commit_seconds{quantile=\"0.5\"} 0.25\ncommit_seconds{quantile=\"0.95\"} 0.25\n",
            "commit_seconds_count 1\n",
            "batch_count 1\n",
            "# TYPE calls_total counter\ncalls_total 2.0\n",
            "# TYPE open gauge\nopen 1.0\n")
        .doesNotContain("jvm_name");
    assertThat(text.lines())
        .allMatch(
            line ->
                line.startsWith("# ")
                    || line.matches("[a-zA-Z_][a-zA-Z0-9_]*(\\{([a-z]+=\"[^\"]*\",?)+})? \\S+"));
    // Other tests of this JVM may have registered theirs; rendering must add none.
    assertThat(SharedMetricRegistries.names()).isEqualTo(registriesBefore);
  }
}
