package io.outboxinbox.quickstart.stage;

import java.io.IOException;
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
 * A Java program as a process of its own, so that it can be killed and started again. Its log goes
 * to a file that all its lives share.
 */
public final class ChildProcess implements AutoCloseable {
  private static final Duration ENDS_WITHIN = Duration.ofSeconds(15);
  private static final int LOG_LINES_SHOWN = 15;

  private final String name;
  private final List<String> arguments;
  private final Path log;
  private final Path pidFile;
  private volatile @Nullable Process process;

  /**
   * Does not start it yet.
   *
   * @param name of the log and of the file with its process id
   * @param arguments of {@code java}
   */
  ChildProcess(String name, Workplace workplace, List<String> arguments) {
    this.name = name;
    this.arguments = List.copyOf(arguments);
    this.log = workplace.file(name + ".log");
    this.pidFile = workplace.file(name + Leftovers.PID_FILE_SUFFIX);
    // For an end that is not in order, such as a second Ctrl-C.
    Runtime.getRuntime()
        .addShutdownHook(new Thread(this::killForJvmExit, "quickstart-kill-" + name));
  }

  /** Starts it; the one before must have ended. */
  public void start() throws Trouble {
    try {
      Process started = spawn();
      process = started;
      started.getOutputStream().close();
      Files.writeString(pidFile, Long.toString(started.pid()));
    } catch (IOException e) {
      throw new Trouble("cannot start the " + name + ": " + e.getMessage(), e);
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
      // A Ctrl-C at this very moment ends the JDK's helper before it becomes our program.
      return builder.start();
    }
  }

  private List<String> command() {
    List<String> command = new ArrayList<>();
    if (!System.getProperty("os.name").toLowerCase(Locale.ROOT).contains("win")) {
      // Ctrl-C goes to every process of the terminal. This one is to outlive it until the last
      // event is through; a signal that is ignored stays so across exec, and the JVM respects that.
      command.addAll(List.of("sh", "-c", "trap '' INT; exec \"$@\"", "sh"));
    }
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(arguments);
    return command;
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

  public Path log() {
    return log;
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

  private boolean await(Process ending) throws Trouble {
    try {
      return ending.waitFor(ENDS_WITHIN.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new Trouble("interrupted while waiting for the " + name + " to end", e);
    }
  }
}
