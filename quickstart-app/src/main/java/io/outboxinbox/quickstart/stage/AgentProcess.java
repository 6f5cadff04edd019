package io.outboxinbox.quickstart.stage;

import java.io.IOException;
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
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The packaged agent as a process of its own, so that it can be killed. Its log goes to a file that
 * all its lives share.
 */
public final class AgentProcess implements AutoCloseable {
  private static final Duration ENDS_WITHIN = Duration.ofSeconds(15);
  private static final Duration ANSWERS_WITHIN = Duration.ofSeconds(2);
  private static final int LOG_LINES_SHOWN = 15;

  /** Plenty for this load; without it the JVM takes a quarter of the machine. */
  private static final String HEAP = "-Xmx256m";

  private final Path jar;
  private final Path configuration;
  private final Path log;
  private final Path pidFile;
  private final URI ready;
  private final HttpClient http = HttpClient.newBuilder().connectTimeout(ANSWERS_WITHIN).build();
  private volatile @Nullable Process process;

  public AgentProcess(Path jar, Workplace workplace, AgentSettings settings) throws Trouble {
    if (!Files.isRegularFile(jar)) {
      throw new Trouble(
          "the agent's jar "
              + jar
              + " is missing; start by the script quickstart, which builds it");
    }
    this.jar = jar;
    this.configuration = workplace.file("agent.yml");
    this.log = workplace.file("agent.log");
    this.pidFile = workplace.file(Leftovers.AGENT_PID_FILE);
    this.ready = URI.create("http://127.0.0.1:" + settings.agentPort() + "/ready");
    settings.writeTo(configuration);
    // For an end that is not in order, such as a second Ctrl-C.
    Runtime.getRuntime().addShutdownHook(new Thread(this::killForJvmExit, "quickstart-agent-kill"));
  }

  /** Starts the process; {@link #isReady} tells when it publishes. */
  public void start() throws Trouble {
    try {
      Process started = spawn();
      process = started;
      started.getOutputStream().close();
      Files.writeString(pidFile, Long.toString(started.pid()));
    } catch (IOException e) {
      throw new Trouble("cannot start the agent: " + e.getMessage(), e);
    }
  }

  private Process spawn() throws IOException {
    ProcessBuilder builder =
        new ProcessBuilder(command())
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
    try {
      return builder.start();
    } catch (IOException e) {
      // A Ctrl-C at this very moment ends the JDK's helper before it becomes the agent.
      return builder.start();
    }
  }

  /** Kills it as if its machine had lost power, and waits until it is gone. */
  public long kill() throws Trouble {
    Process victim = process;
    if (victim == null) {
      return -1;
    }
    victim.destroyForcibly();
    await(victim);
    return victim.pid();
  }

  public boolean isAlive() {
    Process current = process;
    return current != null && current.isAlive();
  }

  /** How it ended; only after it has. */
  public int exitCode() {
    Process ended = process;
    return ended == null ? 0 : ended.exitValue();
  }

  /** Whether it says that it publishes. */
  public boolean isReady() {
    HttpRequest request = HttpRequest.newBuilder(ready).timeout(ANSWERS_WITHIN).build();
    try {
      return http.send(request, HttpResponse.BodyHandlers.discarding()).statusCode() == 200;
    } catch (IOException notYet) {
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  public Path configuration() {
    return configuration;
  }

  public Path log() {
    return log;
  }

  /** The status page's address. */
  public URI page() {
    return ready.resolve("/");
  }

  /** The end of its log, for error messages. */
  public String logTail() {
    try {
      List<String> lines = Files.readAllLines(log, StandardCharsets.UTF_8);
      return String.join(
          "\n", lines.subList(Math.max(0, lines.size() - LOG_LINES_SHOWN), lines.size()));
    } catch (IOException e) {
      return "(cannot read " + log + ": " + e + ")";
    }
  }

  /** Tells it to end, waits, and kills it if it does not. May be called twice. */
  @Override
  public void close() throws Trouble {
    Process ending = process;
    if (ending == null) {
      return;
    }
    ending.destroy();
    if (!await(ending)) {
      ending.destroyForcibly();
      await(ending);
    }
    process = null;
  }

  private void killForJvmExit() {
    Process left = process;
    if (left != null) {
      left.destroyForcibly();
    }
  }

  private List<String> command() {
    List<String> command = new ArrayList<>();
    if (!System.getProperty("os.name").toLowerCase(Locale.ROOT).contains("win")) {
      // Ctrl-C goes to every process of the terminal. The agent is to outlive it until the last
      // event is through; a signal that is ignored stays so across exec, and the JVM respects that.
      command.addAll(List.of("sh", "-c", "trap '' INT; exec \"$@\"", "sh"));
    }
    command.addAll(
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            HEAP,
            "-jar",
            jar.toString(),
            "server",
            configuration.toString()));
    return command;
  }

  private static boolean await(Process ending) throws Trouble {
    try {
      return ending.waitFor(ENDS_WITHIN.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new Trouble("interrupted while waiting for the agent to end", e);
    }
  }
}
