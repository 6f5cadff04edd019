package io.outboxinbox.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A program in a process of its own, to be killed, frozen and started again. All it prints, in all
 * its lives, goes to one file. One that is left ends with this JVM.
 *
 * <p>Any thread may use it, but not two at a time for start and end.
 */
public final class ChildProcess implements AutoCloseable {
  /** From the signal until it has ended; then it is killed. */
  private static final Duration ENDS_WITHIN = Duration.ofSeconds(60);

  private static final int LOG_LINES_SHOWN = 30;

  private final String name;
  private final List<String> command;
  private final Path log;
  private final Map<String, String> environment = new HashMap<>();
  private final Thread endWithJvm;
  private volatile @Nullable Process process;

  /**
   * Does not start it yet.
   *
   * @param name for messages
   * @param command program and arguments
   * @param log is appended to
   */
  public ChildProcess(String name, List<String> command, Path log) {
    this.name = name;
    this.command = List.copyOf(command);
    this.log = log;
    this.endWithJvm = new Thread(this::endWithJvm, "end-" + name);
    Runtime.getRuntime().addShutdownHook(endWithJvm);
  }

  /** This JVM's own program with the options that tests have (test.jvm in the pom), and more. */
  public static List<String> java(String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    String options = System.getProperty("test.jvm", "").strip();
    if (!options.isEmpty()) {
      command.addAll(List.of(options.split("\\s+")));
    }
    command.addAll(List.of(arguments));
    return command;
  }

  /** Adds environment variables for later starts. */
  public ChildProcess withEnvironment(Map<String, String> variables) {
    environment.putAll(variables);
    return this;
  }

  /**
   * Starts it and returns at once.
   *
   * @throws IllegalStateException it runs still
   */
  public void start() {
    if (isAlive()) {
      throw new IllegalStateException(this + " runs already");
    }
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
    builder.environment().putAll(environment);
    try {
      process = builder.start();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot start " + this, e);
    }
  }

  /** Kills it with SIGKILL and waits until it is gone. */
  public void kill() {
    Process victim = running();
    victim.destroyForcibly();
    if (!await(victim, ENDS_WITHIN)) {
      throw new IllegalStateException(this + " cannot be killed");
    }
  }

  /**
   * Asks it to end and waits until it has.
   *
   * @throws IllegalStateException it had to be killed
   */
  public void stop() {
    Process ending = running();
    ending.destroy();
    if (!await(ending, ENDS_WITHIN)) {
      kill();
      throw new IllegalStateException(this + " did not end within " + ENDS_WITHIN);
    }
  }

  /** It neither runs nor ends until it is thawed; its kernel answers for it. */
  public void freeze() {
    signal("STOP");
  }

  public void thaw() {
    signal("CONT");
  }

  private void signal(String signal) {
    // In a shell, which has the command where a machine has no program of that name.
    Command.Result sent =
        Command.run(List.of("sh", "-c", "kill -%s %d".formatted(signal, running().pid())));
    if (sent.exitCode() != 0) {
      throw new IllegalStateException(
          "cannot send SIG%s to %s: %s".formatted(signal, this, sent.output()));
    }
  }

  public boolean isAlive() {
    Process current = process;
    return current != null && current.isAlive();
  }

  /** Whether it has ended within that time. */
  public boolean awaitEnd(Duration within) {
    return await(started(), within);
  }

  /** How it ended; only after it has. */
  public int exitCode() {
    return started().exitValue();
  }

  public long pid() {
    return started().pid();
  }

  public Path log() {
    return log;
  }

  /** All it has printed. */
  public String printed() {
    try {
      return Files.readString(log, StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read what " + this + " printed", e);
    }
  }

  /** The end of what it printed, for messages. */
  public String lastPrinted() {
    List<String> lines = printed().lines().toList();
    return String.join(
        "\n", lines.subList(Math.max(0, lines.size() - LOG_LINES_SHOWN), lines.size()));
  }

  /** Kills it if it runs. May be called twice. */
  @Override
  public void close() {
    if (isAlive()) {
      kill();
    }
    try {
      Runtime.getRuntime().removeShutdownHook(endWithJvm);
    } catch (IllegalStateException jvmIsExiting) {
      // The hook is about to run and finds nothing to do.
      return;
    }
  }

  @Override
  public String toString() {
    return "%s (output in %s)".formatted(name, log);
  }

  private void endWithJvm() {
    Process left = process;
    if (left != null) {
      left.destroyForcibly();
    }
  }

  private Process started() {
    Process current = process;
    if (current == null) {
      throw new IllegalStateException(this + " was not started");
    }
    return current;
  }

  private Process running() {
    Process current = started();
    if (!current.isAlive()) {
      throw new IllegalStateException(
          "%s has ended by itself with %d:%n%s"
              .formatted(this, current.exitValue(), lastPrinted()));
    }
    return current;
  }

  private boolean await(Process ending, Duration within) {
    try {
      return ending.waitFor(within.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while waiting for the end of " + this, e);
    }
  }
}
