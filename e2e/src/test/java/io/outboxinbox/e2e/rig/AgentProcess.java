package io.outboxinbox.e2e.rig;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.outboxinbox.testkit.ChildProcess;
import io.outboxinbox.testkit.FreePorts;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.awaitility.Awaitility;
import org.awaitility.core.ConditionTimeoutException;

/**
 * The packaged agent as an operator runs it: a process of its own that can be stopped, killed,
 * frozen and started again with the same configuration. One thread uses it; who makes it closes it.
 */
public final class AgentProcess implements AutoCloseable {
  private static final String MAIN = "io.outboxinbox.agent.OutboxAgent";
  private static final Duration COMMAND_WITHIN = Duration.ofMinutes(3);
  private static final Duration PAGE_TIMEOUT = Duration.ofSeconds(2);
  private static final Duration LOOK_EVERY = Duration.ofMillis(50);
  private static final ObjectMapper JSON = new ObjectMapper();

  private final int port = FreePorts.pick();
  private final Path configFile;
  private final ChildProcess process;
  private final HttpClient http = HttpClient.newBuilder().connectTimeout(PAGE_TIMEOUT).build();

  private AgentProcess(String name, List<String> command, AgentConfig config) {
    this.configFile = logs().resolve(name + ".yml");
    Path log = logs().resolve(name + ".log");
    List<String> line = new ArrayList<>(command);
    line.addAll(List.of("server", configFile.toString()));
    this.process = new ChildProcess("agent " + name, line, log);
    try {
      Files.writeString(configFile, config.yaml(port));
      Files.writeString(log, "");
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write " + configFile, e);
    }
  }

  /** Where processes of tests write what they print. */
  static Path logs() {
    Path directory = Path.of(System.getProperty("testkit.logs", "target/logs"));
    try {
      return Files.createDirectories(directory);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot create " + directory, e);
    }
  }

  /**
   * The agent's jar with this configuration; not yet running.
   *
   * @param name of its files in the log directory
   * @param jvmOptions such as -Xmx256m
   */
  public static AgentProcess of(String name, AgentConfig config, String... jvmOptions) {
    return ofJar(jar(), name, config, jvmOptions);
  }

  private static AgentProcess ofJar(
      String jar, String name, AgentConfig config, String... jvmOptions) {
    List<String> command = ChildProcess.java();
    command.addAll(List.of(jvmOptions));
    command.addAll(List.of("-jar", jar));
    return new AgentProcess(name, command, config);
  }

  /** The same of another version, if {@code -De2e.otherJar} names its jar; else of this one. */
  public static AgentProcess ofOtherVersion(String name, AgentConfig config) {
    return ofJar(existing(System.getProperty("e2e.otherJar", jar())), name, config);
  }

  /**
   * The same agent with classes of src/unprotected in the place of its own.
   *
   * @param variant directory of the classes, below the one for all of them
   */
  public static AgentProcess unprotected(String name, AgentConfig config, String variant) {
    Path classes = Path.of(System.getProperty("unprotected.classes"), variant);
    if (!Files.isDirectory(classes)) {
      throw new IllegalStateException(classes + " does not exist; build module e2e first");
    }
    List<String> command = ChildProcess.java();
    command.addAll(List.of("-cp", classes + File.pathSeparator + jar(), MAIN));
    return new AgentProcess(name, command, config);
  }

  private static String jar() {
    return existing(System.getProperty("agent.jar"));
  }

  private static String existing(String path) {
    Path jar = Path.of(path).normalize();
    if (!Files.exists(jar)) {
      throw new IllegalStateException(jar + " does not exist; run mvn package first");
    }
    return jar.toString();
  }

  /** Adds environment variables for later starts. */
  public AgentProcess withEnvironment(Map<String, String> variables) {
    process.withEnvironment(variables);
    return this;
  }

  /** Starts the process; returns at once. */
  public void start() {
    process.start();
  }

  /** Starts the process and waits until it publishes. */
  public void startAndLead(Duration deadline) {
    start();
    awaitStatus(status -> status.is("LEADING"), deadline);
  }

  /**
   * Runs one of the agent's commands beside it, with the same configuration.
   *
   * @param name such as "reconcile" or "parked list"
   * @return what it printed, errors included
   * @throws IllegalStateException it failed, or did not end
   */
  public String command(String name, String... arguments) {
    List<String> line = ChildProcess.java();
    line.addAll(List.of("-jar", jar()));
    line.addAll(List.of(name.split(" ", -1)));
    line.add(configFile.toString());
    line.addAll(List.of(arguments));
    try (ChildProcess running = new ChildProcess(name, line, output(name))) {
      running.start();
      if (!running.awaitEnd(COMMAND_WITHIN)) {
        throw new IllegalStateException(running + " did not end within " + COMMAND_WITHIN);
      }
      if (running.exitCode() != 0) {
        throw new IllegalStateException(line + " failed: " + running.printed());
      }
      return running.printed();
    }
  }

  private static Path output(String command) {
    try {
      return Files.createTempFile(logs(), command.replace(' ', '-') + "-", ".txt");
    } catch (IOException e) {
      throw new UncheckedIOException("cannot create a file in " + logs(), e);
    }
  }

  /** Kills the process with SIGKILL and waits until it is gone. */
  public void kill() {
    process.kill();
  }

  /** Asks the process to end and waits until it has. */
  public void stop() {
    process.stop();
  }

  /**
   * Stops the process's clock, so to say: it neither runs nor ends, and its kernel answers for it.
   */
  public void freeze() {
    process.freeze();
  }

  /** Lets a frozen process go on. */
  public void thaw() {
    process.thaw();
  }

  public boolean isAlive() {
    return process.isAlive();
  }

  /** What the agent says of itself now. */
  public AgentStatus status() {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/status"))
            .timeout(PAGE_TIMEOUT)
            .build();
    try {
      HttpResponse<String> response = http.send(request, HttpResponse.BodyHandlers.ofString());
      return response.statusCode() == 404
          ? AgentStatus.unreachable("no status page yet")
          : AgentStatus.read(JSON.readTree(response.body()));
    } catch (IOException e) {
      return AgentStatus.unreachable(String.valueOf(e));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while asking " + this, e);
    }
  }

  /** What the agent takes for the time, to the second; the epoch while no page answers. */
  public Instant clock() {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/status"))
            .timeout(PAGE_TIMEOUT)
            .build();
    try {
      return http.send(request, HttpResponse.BodyHandlers.discarding())
          .headers()
          .firstValue("Date")
          .map(date -> Instant.from(DateTimeFormatter.RFC_1123_DATE_TIME.parse(date)))
          .orElse(Instant.EPOCH);
    } catch (IOException e) {
      return Instant.EPOCH;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while asking " + this, e);
    }
  }

  /**
   * Waits for a status.
   *
   * @return the first that fits
   */
  public AgentStatus awaitStatus(Predicate<AgentStatus> wanted, Duration deadline) {
    AgentStatus[] last = new AgentStatus[1];
    try {
      Awaitility.await()
          .atMost(deadline)
          .pollDelay(Duration.ZERO)
          .pollInterval(LOOK_EVERY)
          .until(
              () -> {
                last[0] = status();
                return wanted.test(last[0]);
              });
      return last[0];
    } catch (ConditionTimeoutException e) {
      throw new IllegalStateException(
          this + " did not come to the wanted state within " + deadline + "; last: " + last[0], e);
    }
  }

  /** Everything the process has printed, over all its starts. */
  public String log() {
    return process.printed();
  }

  /** The largest resident memory the running process has had, in MiB; -1 where /proc is missing. */
  public long peakMemoryMebibytes() {
    try {
      return Files.readAllLines(Path.of("/proc", String.valueOf(process.pid()), "status")).stream()
          .filter(line -> line.startsWith("VmHWM:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) / 1024)
          .findFirst()
          .orElse(-1);
    } catch (IOException e) {
      return -1;
    }
  }

  @Override
  public void close() {
    process.close();
  }

  @Override
  public String toString() {
    return process.toString();
  }
}
