package io.outboxinbox.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A real PostgreSQL server on the loopback address, as durable as one in production ({@code fsync}
 * and {@code synchronous_commit} are on) and ready for logical replication.
 *
 * <p>It can be stopped, killed and started again on the same port with the same data. Any thread
 * may use it, but not two at a time for start and stop. Who starts it closes it; a forgotten one
 * ends with the JVM.
 */
public final class PostgresServer implements AutoCloseable {
  private static final Duration CHILDREN_GONE_WITHIN = Duration.ofSeconds(10);
  private static final int LOG_TAIL_CHARACTERS = 4_000;
  private static final String LOG_FILE = "testkit-server.log";

  private static final Map<String, String> DEFAULT_SETTINGS =
      Map.of(
          "listen_addresses", "127.0.0.1",
          // The compiled-in default is /tmp, where two servers on one port number would meet.
          "unix_socket_directories", "",
          "wal_level", "logical",
          "fsync", "on",
          "synchronous_commit", "on",
          "max_wal_senders", "20",
          "max_replication_slots", "20",
          "max_connections", "200");

  private enum State {
    /** The postmaster was started and nobody has stopped it. */
    RUNNING,
    /** Stopped or killed; the data is there and {@link #startAgain} works. */
    STOPPED,
    /** Closed for good; temporary data is gone. */
    CLOSED
  }

  /**
   * How to start a server.
   *
   * @param port TCP port, 0 for a free one
   * @param dataDirectory kept when the server is closed and used again by the next one; null for a
   *     temporary directory
   * @param settings server settings that add to or replace the defaults, such as {@code
   *     max_slot_wal_keep_size=64MB}
   */
  public record Options(
      PostgresVersion version,
      int port,
      @Nullable Path dataDirectory,
      Map<String, String> settings) {

    public Options {
      settings = Map.copyOf(settings);
    }

    /** A free port, temporary data, default settings. */
    public static Options of(PostgresVersion version) {
      return new Options(version, 0, null, Map.of());
    }

    public Options withPort(int port) {
      return new Options(version, port, dataDirectory, settings);
    }

    public Options withDataDirectory(Path dataDirectory) {
      return new Options(version, port, dataDirectory, settings);
    }

    public Options withSetting(String name, String value) {
      Map<String, String> more = new LinkedHashMap<>(settings);
      more.put(name, value);
      return new Options(version, port, dataDirectory, more);
    }
  }

  private final Options options;
  private final RunAs runAs;
  private final Path programs;
  private final Path dataDirectory;
  private final PostgresAddress address;
  private final Thread stopWithJvm = new Thread(this::stopForJvmExit, "testkit-postgres-stop");
  private State state = State.STOPPED;

  private PostgresServer(Options options, RunAs runAs) {
    this.options = options;
    this.runAs = runAs;
    this.programs = PostgresBinaries.unpacked(options.version());
    this.dataDirectory =
        options.dataDirectory() == null
            ? Directories.temporary("postgres")
            : options.dataDirectory().toAbsolutePath();
    int port = options.port() == 0 ? FreePorts.pick() : options.port();
    this.address =
        new PostgresAddress("127.0.0.1", port, "postgres", PostgresBinaries.SUPERUSER_PASSWORD);
  }

  /** Starts a server with temporary data on a free port and waits until it answers. */
  public static PostgresServer start(PostgresVersion version) {
    return start(Options.of(version));
  }

  /**
   * Starts a server and waits until it answers.
   *
   * @throws IllegalStateException it does not start; the message ends with the server's log
   */
  public static PostgresServer start(Options options) {
    return start(options, RunAs.detect());
  }

  static PostgresServer start(Options options, RunAs runAs) {
    return start(options, runAs, null);
  }

  /**
   * @param filling puts a cluster into the empty data directory it is given; null to make a new one
   */
  static PostgresServer start(Options options, RunAs runAs, @Nullable Consumer<Path> filling) {
    PostgresServer server = new PostgresServer(options, runAs);
    try {
      if (filling == null) {
        server.initializeOnce();
      } else {
        filling.accept(server.dataDirectory);
        runAs.own(server.dataDirectory);
      }
      server.startAgain();
      Runtime.getRuntime().addShutdownHook(server.stopWithJvm);
      return server;
    } catch (RuntimeException e) {
      server.deleteTemporaryData();
      throw e;
    }
  }

  public PostgresVersion version() {
    return options.version();
  }

  public String host() {
    return address.host();
  }

  public int port() {
    return address.port();
  }

  public Path dataDirectory() {
    return dataDirectory;
  }

  public String superuser() {
    return address.user();
  }

  public String superuserPassword() {
    return address.password();
  }

  /** Without user and password. */
  public String jdbcUrl(String database) {
    return address.jdbcUrl(database);
  }

  /** A new connection as superuser, which the caller closes. */
  public Connection connect(String database) throws SQLException {
    return address.connect(database);
  }

  /** One that is there, or will be. */
  public PostgresDatabase database(String name) {
    return address.database(name);
  }

  /**
   * Creates an empty database.
   *
   * @param prefix start of the name: lower-case letters, digits and underscores
   * @return the unique name
   */
  public String createDatabase(String prefix) throws SQLException {
    return address.createDatabase(prefix, List.of());
  }

  /** Drops a database with its replication slots, and ends whoever is connected. */
  public void dropDatabase(String name) throws SQLException {
    address.dropDatabase(name);
  }

  /** Process id of the running postmaster. */
  public long postmasterPid() {
    require(State.RUNNING, "read the process id");
    return readPid();
  }

  /**
   * Whether nobody has stopped the server and it does not run any more, as after its disk was full;
   * {@link #startAgain} then works.
   */
  public boolean hasEnded() {
    if (state == State.RUNNING && !isAlive()) {
      state = State.STOPPED;
      return true;
    }
    return false;
  }

  private boolean isAlive() {
    return Files.exists(dataDirectory.resolve("postmaster.pid"))
        && ProcessHandle.of(readPid()).isPresent();
  }

  /**
   * Ends all sessions, writes a checkpoint and waits for the end. Does nothing to a server that
   * does not run.
   */
  public void stop() {
    stop("fast");
  }

  private void stop(String mode) {
    if (state == State.RUNNING) {
      run(pgCtl("stop", "-m", mode));
      state = State.STOPPED;
    }
  }

  /**
   * Kills the postmaster with SIGKILL, waits for its backends to notice, and leaves the data as
   * after a crash.
   */
  public void killPostmaster() {
    require(State.RUNNING, "kill");
    ProcessHandle postmaster =
        ProcessHandle.of(readPid())
            .orElseThrow(() -> new IllegalStateException(this + " does not run any more"));
    // Taken before the kill: afterwards nobody knows whose children they were. One that lives on
    // keeps the shared memory, and
    // the next start fails.
    List<ProcessHandle> family = new ArrayList<>(postmaster.children().toList());
    postmaster.destroyForcibly();
    family.add(postmaster);
    family.forEach(PostgresServer::awaitEnd);
    state = State.STOPPED;
  }

  /**
   * Starts a stopped or killed server on the same port with the same data; crash recovery is done
   * when this returns.
   */
  public void startAgain() {
    require(State.STOPPED, "start");
    writeSettings();
    run(pgCtl("start", "-l", dataDirectory.resolve(LOG_FILE).toString()));
    state = State.RUNNING;
  }

  /**
   * Stops the server and deletes its data, unless the data directory was given. May be called
   * twice.
   */
  @Override
  public void close() {
    if (state == State.CLOSED) {
      return;
    }
    // What is deleted needs no checkpoint, and no reader that has caught up.
    stop(options.dataDirectory() == null ? "immediate" : "fast");
    state = State.CLOSED;
    KeptSessions.forget(jdbcUrl(""));
    removeShutdownHook();
    deleteTemporaryData();
  }

  @Override
  public String toString() {
    return "PostgreSQL "
        + options.version().major()
        + " on port "
        + port()
        + " ("
        + state
        + ", data in "
        + dataDirectory
        + ")";
  }

  PostgresAddress address() {
    return address;
  }

  /** Those that were asked for, without the defaults. */
  Map<String, String> settings() {
    return options.settings();
  }

  private void require(State wanted, String action) {
    if (state != wanted) {
      throw new IllegalStateException(
          "cannot " + action + ": must be " + wanted + ", but this is " + this);
    }
  }

  private void initializeOnce() {
    if (!Files.exists(dataDirectory.resolve("PG_VERSION"))) {
      new ClusterTemplate(version(), programs, runAs).copyTo(dataDirectory, superuser());
    }
  }

  private void writeSettings() {
    Map<String, String> settings = new LinkedHashMap<>(DEFAULT_SETTINGS);
    settings.putAll(options.settings());
    settings.put("port", Integer.toString(port()));
    StringBuilder file = new StringBuilder();
    settings.forEach(
        (name, value) ->
            file.append(name).append(" = '").append(value.replace("'", "''")).append("'\n"));
    try {
      Files.writeString(dataDirectory.resolve("testkit.conf"), file);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write the settings of " + this, e);
    }
  }

  private List<String> pgCtl(String action, String... more) {
    List<String> command =
        new ArrayList<>(
            List.of(
                PostgresBinaries.program(programs, "pg_ctl"),
                action,
                "-D",
                dataDirectory.toString(),
                "-w",
                "-t",
                "60"));
    command.addAll(List.of(more));
    return command;
  }

  private void run(List<String> command) {
    Command.Result result = Command.run(runAs.command(command));
    if (result.exitCode() != 0) {
      throw new IllegalStateException(
          this + ": " + command + " failed:\n" + result.output() + logTail());
    }
  }

  private String logTail() {
    Path log = dataDirectory.resolve(LOG_FILE);
    try {
      String text = Files.exists(log) ? Files.readString(log) : "";
      return text.substring(Math.max(0, text.length() - LOG_TAIL_CHARACTERS));
    } catch (IOException e) {
      return "(cannot read " + log + ": " + e + ")";
    }
  }

  private long readPid() {
    Path file = dataDirectory.resolve("postmaster.pid");
    try {
      return Long.parseLong(Files.readAllLines(file).get(0).strip());
    } catch (IOException e) {
      throw new UncheckedIOException(this + " has no " + file + "; it ended by itself", e);
    }
  }

  private static void awaitEnd(ProcessHandle process) {
    try {
      process.onExit().get(CHILDREN_GONE_WITHIN.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException stillThere) {
      process.destroyForcibly();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while waiting for a killed server to end", e);
    } catch (ExecutionException e) {
      throw new IllegalStateException("cannot watch process " + process.pid(), e);
    }
  }

  private void stopForJvmExit() {
    if (state == State.RUNNING) {
      // Whether it succeeds or not: nobody is left to be told.
      Command.run(runAs.command(pgCtl("stop", "-m", "immediate")));
    }
    deleteTemporaryData();
  }

  private void removeShutdownHook() {
    try {
      Runtime.getRuntime().removeShutdownHook(stopWithJvm);
    } catch (IllegalStateException jvmIsExiting) {
      // The hook is about to run and finds nothing to do.
    }
  }

  private void deleteTemporaryData() {
    if (options.dataDirectory() == null) {
      Directories.delete(dataDirectory);
    }
  }
}
