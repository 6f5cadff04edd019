package io.outboxinbox.agent;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.testkit.ChildProcess;
import io.outboxinbox.testkit.FreePorts;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** What is larger than the heap of a real process has a state of its own, and two ways past it. */
class HeapExhaustedIT {
  private static final Duration WITHIN = Duration.ofMinutes(4);

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  @TempDir private Path folder;
  private final List<Process> processes = new ArrayList<>();
  private final HttpClient http = HttpClient.newHttpClient();
  private final int port = FreePorts.pick();
  private PostgresDatabase database;
  private Path config;

  @BeforeEach
  void setUp() throws Exception {
    database = PipelineRig.newDatabase(postgres);
    database.execute(
        "ALTER TABLE outbox_event DROP CONSTRAINT outbox_event_payload_at_most_1000000_bytes");
    config =
        Files.writeString(
            folder.resolve("agent.yml"),
            """
            pipelines:
              - name: orders
                source: {host: %s, port: %d, database: %s, username: outbox_agent, password: agent, sslMode: disable}
                route: {topic: %s, allowedTopics: ["*"]}
                publish: {type: kafka, bootstrapServers: "%s", positionReplicationFactor: 1}
                retry: {initial: 200ms, max: 2s}
            server: {connector: {port: %d}}
            """
                .formatted(
                    database.host(),
                    database.port(),
                    database.name(),
                    kafka.newTopic("orders", 1),
                    kafka.bootstrapServers(),
                    port));
  }

  @AfterEach
  void endProcesses() {
    processes.forEach(Process::destroyForcibly);
  }

  @Test
  void namesALogicalMessageLargerThanTheHeapAndPassesItByReconcile() throws Exception {
    start("-Xmx256m", "server", config.toString());
    awaitState("LEADING");
    database.execute("SELECT pg_logical_emit_message(false, 'x', repeat('x', 200000000))");
    insert("1", 10);
    JsonNode status = awaitState("OUT_OF_MEMORY");
    assertThat(status.get("reason").asText())
        .contains("MiB was exhausted", "fix: ", "-Xmx", "reconcile");
    assertThat(get("/live").statusCode()).isEqualTo(503);
    assertThat(get("/live").body()).contains("OUT_OF_MEMORY");
    // A busy machine may let the command's connection time out; then it is asked for again.
    await()
        .atMost(WITHIN)
        .until(
            () ->
                start("-Xmx64m", "reconcile", config.toString(), "--pipeline", "orders", "--yes")
                        .waitFor()
                    == 0);
    await().atMost(WITHIN).ignoreExceptions().until(() -> sequence() == 1);
    awaitState("LEADING");
    assertThat(get("/live").statusCode()).isEqualTo(200);
  }

  @Test
  void parksARowTooLargeForTheHeapOnceTheHeapIsTenTimesAsLarge() throws Exception {
    Process small = start("-Xmx256m", "server", config.toString());
    awaitState("LEADING");
    insert("large", 80_000_000);
    insert("small", 10);
    awaitState("OUT_OF_MEMORY");
    small.destroy();
    assertThat(small.waitFor(WITHIN.toSeconds(), SECONDS)).isTrue();
    start("-Xmx800m", "server", config.toString());
    await().atMost(WITHIN).ignoreExceptions().until(() -> sequence() == 1);
    awaitState("LEADING");
    assertThat(query("SELECT aggregate_id || ' ' || octet_length(payload) FROM outbox_parked"))
        .isEqualTo("large 80000002");
  }

  private void insert(String key, int payloadBytes) throws SQLException {
    database.execute(
        """
        INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type, payload)
        VALUES ('order', '%s', 'placed', ('"' || repeat('x', %d) || '"')::json)
        """
            .formatted(key, payloadBytes));
  }

  private Process start(String heap, String... arguments) throws IOException {
    List<String> command =
        ChildProcess.java(
            heap, "-cp", System.getProperty("java.class.path"), OutboxAgent.class.getName());
    command.addAll(List.of(arguments));
    Path output = folder.resolve("output-" + processes.size() + ".txt");
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    processes.add(process);
    return process;
  }

  private HttpResponse<String> get(String path) throws Exception {
    return http.send(
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path)).build(),
        HttpResponse.BodyHandlers.ofString());
  }

  private JsonNode status() throws Exception {
    return new ObjectMapper().readTree(get("/status").body()).get("pipelines").get(0);
  }

  private long sequence() throws Exception {
    return status().get("lastSequence").asLong();
  }

  private JsonNode awaitState(String state) {
    JsonNode[] last = new JsonNode[1];
    await()
        .atMost(WITHIN)
        .ignoreExceptions()
        .untilAsserted(
            () -> {
              last[0] = status();
              assertThat(last[0].get("state").asText()).as(last[0].toString()).isEqualTo(state);
            });
    return last[0];
  }

  private String query(String sql) throws SQLException {
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      return row.next() ? row.getString(1) : "";
    }
  }
}
