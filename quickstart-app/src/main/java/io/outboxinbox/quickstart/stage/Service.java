package io.outboxinbox.quickstart.stage;

import io.outboxinbox.testkit.ChildProcess;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A Java program of the demonstration, which is killed and started again. Its log is in a file, and
 * so is its process id, for a demonstration that finds it left.
 */
public final class Service implements AutoCloseable {
  private final ChildProcess process;
  private final Path pidFile;

  /**
   * Does not start it yet.
   *
   * @param name of the log and of the file with its process id
   * @param arguments of {@code java}
   */
  Service(String name, Workplace workplace, List<String> arguments) {
    this.process = new ChildProcess(name, command(arguments), workplace.file(name + ".log"));
    this.pidFile = workplace.file(name + Leftovers.PID_FILE_SUFFIX);
  }

  private static List<String> command(List<String> arguments) {
    List<String> command = new ArrayList<>();
    if (!System.getProperty("os.name").toLowerCase(Locale.ROOT).contains("win")) {
      // Ctrl-C goes to every process of the terminal. This one is to outlive it until the last
      // event is through; a signal that is ignored stays so across exec, and the JVM respects that.
      command.addAll(List.of("sh", "-c", "trap '' INT; exec \"$@\"", "sh"));
    }
    command.addAll(ChildProcess.java(arguments.toArray(String[]::new)));
    return command;
  }

  /** Starts it; the one before must have ended. */
  public void start() throws Trouble {
    try {
      startOrAgain();
      Files.writeString(pidFile, Long.toString(process.pid()));
    } catch (IOException | UncheckedIOException e) {
      throw new Trouble("cannot start: " + e.getMessage(), e);
    }
  }

  private void startOrAgain() {
    try {
      process.start();
    } catch (UncheckedIOException e) {
      // A Ctrl-C at this very moment ends the JDK's helper before it becomes our program.
      process.start();
    }
  }

  /** Kills it as if its machine had lost power, and waits until it is gone. */
  public long kill() throws Trouble {
    try {
      process.kill();
      return process.pid();
    } catch (IllegalStateException e) {
      throw new Trouble(String.valueOf(e.getMessage()), e);
    }
  }

  public boolean isAlive() {
    return process.isAlive();
  }

  /** How it ended; only after it has. */
  public int exitCode() {
    return process.exitCode();
  }

  public Path log() {
    return process.log();
  }

  /** The end of its log, for error messages. */
  public String logTail() {
    return process.lastPrinted();
  }

  /** Tells it to end, waits, and kills it if it does not. May be called twice. */
  @Override
  public void close() throws Trouble {
    try {
      if (process.isAlive()) {
        process.stop();
      }
    } catch (IllegalStateException e) {
      throw new Trouble(String.valueOf(e.getMessage()), e);
    }
  }
}
