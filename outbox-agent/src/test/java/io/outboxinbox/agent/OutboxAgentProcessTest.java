package io.outboxinbox.agent;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.testkit.ChildProcess;
import io.outboxinbox.testkit.FreePorts;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Runs the agent as operators do, in a process of its own, without database and broker: what it
 * prints, how it answers, how it ends.
 */
class OutboxAgentProcessTest {
  private static final String CANARY = "canary-71b2";
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @TempDir private Path folder;
  private final List<Process> processes = new ArrayList<>();
  private final HttpClient http = HttpClient.newHttpClient();

  @AfterEach
  void endProcesses() {
    processes.forEach(Process::destroyForcibly);
  }

  private record Ended(int exitCode, String output) {}

  private static List<String> java() {
    return ChildProcess.java(
        "-cp", System.getProperty("java.class.path"), OutboxAgent.class.getName());
  }

  private Process start(Path output, String... arguments) throws IOException {
    List<String> command = new ArrayList<>(java());
    command.addAll(List.of(arguments));
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output.toFile());
    builder.environment().put("CANARY", CANARY);
    Process process = builder.start();
    processes.add(process);
    return process;
  }

  private Ended run(String... arguments) throws Exception {
    Path output = Files.createTempFile(folder, "run", ".txt");
    Process process = start(output, arguments);
    assertThat(process.waitFor(PATIENCE.toSeconds(), SECONDS)).isTrue();
    return new Ended(process.exitValue(), Files.readString(output));
  }

  /**
   * A correction of one event must not be stored as something else, in the name of the operator.
   */
  @Test
  void refusesArgumentsThatTheLocaleCannotRead() throws Exception {
    Path shell = Files.writeString(folder.resolve("run.sh"), "exec \"$@\" 'parked' 'list' 'Größe'");
    Path output = folder.resolve("locale.txt");
    List<String> command = new ArrayList<>(List.of("sh", shell.toString()));
    command.addAll(java());
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output.toFile());
    builder.environment().remove("LANG");
    builder.environment().put("LC_ALL", "C");
    Process process = builder.start();
    processes.add(process);
    assertThat(process.waitFor(PATIENCE.toSeconds(), SECONDS)).isTrue();
    assertThat(Files.readString(output))
        .contains("argument 'Gr", "nothing was done; fix: export LC_ALL=C.UTF-8");
    assertThat(process.exitValue()).isEqualTo(2);
  }

  private Path configuration(int port) throws IOException {
    return Files.writeString(
        folder.resolve("agent.yml"),
        """
        pipelines:
          - name: orders
            source: {port: 1, database: shop, username: agent, password: "${CANARY}"}
            route: {allowedTopics: [order]}
            publish:
              type: kafka
              bootstrapServers: localhost:1
              properties:
                security.protocol: SASL_PLAINTEXT
                sasl.mechanism: PLAIN
                sasl.jaas.config: org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="${CANARY}";
        server: {connector: {port: %d}}
        """
            .formatted(port));
  }

  private HttpResponse<String> send(int port, String method, String path) throws Exception {
    return send(port, method, path, "*/*");
  }

  private HttpResponse<String> send(int port, String method, String path, String accept)
      throws Exception {
    return http.send(
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
            .method(method, HttpRequest.BodyPublishers.noBody())
            .header("Accept", accept)
            .build(),
        HttpResponse.BodyHandlers.ofString());
  }

  /** A browser gets the same page whatever it is to show, a program what it asks for. */
  private void servesThePageForPeople(int port) throws Exception {
    HttpResponse<String> page = send(port, "GET", "/");
    assertThat(page.body()).contains("<h1>outbox-agent</h1>", "JavaScript is off");
    for (String file : List.of("/", "/page.css", "/page.js", "/status")) {
      HttpResponse<String> answer = send(port, "GET", file);
      assertThat(answer.statusCode()).as(file).isEqualTo(200);
      assertThat(answer.headers().map())
          .as(file)
          .containsEntry("Cache-Control", List.of("no-store"))
          .containsEntry("X-Content-Type-Options", List.of("nosniff"))
          .containsEntry(
              "Content-Security-Policy",
              List.of(
                  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'"))
          // The page says by it when the agent answered.
          .containsKey("Date");
    }
    String browser = "text/html,application/xhtml+xml,*/*;q=0.8";
    String query = "/parked?pipeline=orders&after=7";
    assertThat(send(port, "GET", query, browser).body()).isEqualTo(page.body());
    assertThat(send(port, "GET", "/parked?format=json", browser).statusCode()).isEqualTo(503);
    assertThat(send(port, "GET", query).statusCode()).isEqualTo(503);
    assertThat(send(port, "GET", "/parked?pipeline=other").statusCode()).isEqualTo(404);
    assertThat(send(port, "GET", "/parked?after=x").body())
        .isEqualTo("after must be the number of an event\n");
  }

  @Test
  void servesHealthStatusAndMetricsWithoutDatabaseAndShowsNoSecret() throws Exception {
    int port = FreePorts.pick();
    Path output = folder.resolve("server.txt");
    Process agent = start(output, "server", configuration(port).toString());
    await().atMost(PATIENCE).until(() -> Files.readString(output).contains("started;"));
    await().atMost(PATIENCE).until(() -> Files.readString(output).contains("[orders]"));

    assertThat(send(port, "GET", "/live").statusCode()).isEqualTo(200);
    HttpResponse<String> ready = send(port, "GET", "/ready");
    assertThat(ready.statusCode()).isEqualTo(503);
    assertThat(ready.body()).startsWith("orders: ");
    HttpResponse<String> status = send(port, "GET", "/status");
    assertThat(status.body()).contains("\"name\" : \"orders\"", "\"ready\" : false");
    assertThat(send(port, "GET", "/metrics").body())
        .contains("outbox_agent_ready{pipeline=\"orders\"} 0", "jvm_memory_heap_used ");
    HttpResponse<String> health = send(port, "GET", "/healthcheck");
    assertThat(health.statusCode()).isEqualTo(500);
    assertThat(health.body()).contains("\"orders\":{\"healthy\":false");
    servesThePageForPeople(port);
    for (String closed : List.of("/threads", "/pprof", "/tasks/gc", "/ping", "/application/")) {
      assertThat(send(port, "GET", closed).statusCode()).as(closed).isEqualTo(404);
    }
    assertThat(send(port, "POST", "/tasks/log-level").statusCode()).isEqualTo(404);
    assertThat(send(port, "POST", "/status").statusCode()).isEqualTo(405);

    agent.destroy();
    assertThat(agent.waitFor(PATIENCE.toSeconds(), SECONDS)).isTrue();
    String printed = Files.readString(output) + ready.body() + status.body() + health.body();
    assertThat(printed).doesNotContain(CANARY);
    assertThat(Files.readString(output).lines())
        .as("one readable line each, nothing of frameworks")
        .allMatch(line -> line.matches("\\S+Z (INFO |WARN ) \\[(agent|orders)] \\w+: .*"))
        .anyMatch(line -> line.contains("security.protocol is SASL_PLAINTEXT"));
  }

  @Test
  void namesTheFaultsOfABadConfigurationAndExitsWithTwo() throws Exception {
    Path bad =
        Files.writeString(
            folder.resolve("bad.yml"), "pipelines: [{nam: x, batch: {maxEvents: 0}}]");
    Ended ended = run("server", bad.toString());
    assertThat(ended.exitCode()).isEqualTo(2);
    assertThat(ended.output())
        .contains("pipelines[0].nam: unknown key; did you mean name?", "maxEvents: is 0")
        .doesNotContain("\tat ");
  }

  @Test
  void checkSaysWhatToMendAndExitsWithOne() throws Exception {
    Ended ended = run("check", configuration(FreePorts.pick()).toString());
    assertThat(ended.exitCode()).isEqualTo(1);
    assertThat(ended.output())
        .contains("pipeline orders", "FAIL nothing listens on localhost:1", "fix: ")
        .doesNotContain("\tat ", CANARY);
  }

  @Test
  void saysThatThePortIsTakenAndExitsWithThree() throws Exception {
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      Ended ended = run("server", configuration(taken.getLocalPort()).toString());
      assertThat(ended.exitCode()).isEqualTo(3);
      assertThat(ended.output())
          .contains("outbox-agent: Failed to bind to", "in use", "server.connector.port")
          .doesNotContain(CANARY, "\tat ");
    }
  }

  @Test
  void helpSaysWhatEachCommandDoes() throws Exception {
    assertThat(run("--help").output().replaceAll("\\s+", " "))
        .contains("{server,check,reconcile,reset,pause,resume,parked,replay,schema}")
        .contains("publishes events until it is told to end", "lets a paused pipeline publish")
        .contains("lists, corrects, releases and discards", "prints the SQL to run");
  }

  @Test
  void noLibraryBringsABanner() throws IOException {
    try (InputStream banner = OutboxAgent.class.getResourceAsStream("/banner.txt")) {
      assertThat(banner == null ? "" : new String(banner.readAllBytes(), StandardCharsets.UTF_8))
          .isEmpty();
    }
  }
}
