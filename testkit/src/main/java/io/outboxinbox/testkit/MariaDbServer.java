package io.outboxinbox.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * A real MariaDB server on the loopback address with temporary data, from the programs of the
 * machine's own package. Needs a driver that knows {@code jdbc:mariadb:} on the class path. Who
 * starts it closes it; a forgotten one ends with the JVM.
 */
public final class MariaDbServer implements AutoCloseable {
  /** Named in the reason where tests are skipped. */
  public static final String PACKAGE = "mariadb-server";

  /** May do everything, from anywhere on this machine. */
  static final String USER = "testkit";

  static final String PASSWORD = "testkit";

  private static final List<String> DIRECTORIES =
      List.of("/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin");
  private static final Duration READY_WITHIN = Duration.ofSeconds(60);
  private static final long POLL_MILLIS = 50;

  private final Path directory;
  private final int port;
  private final ChildProcess process;
  private final Thread stopWithJvm = new Thread(this::stop, "testkit-mariadb-stop");

  private MariaDbServer(Path directory, int port, ChildProcess process) {
    this.directory = directory;
    this.port = port;
    this.process = process;
  }

  /** Whether this machine has the programs. */
  public static boolean isInstalled() {
    return program("mariadbd").isPresent() && program("mariadb-install-db").isPresent();
  }

  /**
   * Starts a server and waits until it answers.
   *
   * @throws IllegalStateException it is not installed or does not start; the message ends with the
   *     server's log
   */
  public static MariaDbServer start() {
    Path directory = Directories.temporary("mariadb");
    Path data = directory.resolve("data");
    List<String> install = new ArrayList<>();
    install.add(required("mariadb-install-db"));
    install.addAll(
        List.of(
            "--no-defaults",
            "--datadir=" + data,
            "--auth-root-authentication-method=normal",
            "--skip-test-db"));
    install.addAll(asRoot());
    Command.Result installed = Command.run(install);
    if (installed.exitCode() != 0) {
      throw new IllegalStateException("mariadb-install-db failed:\n" + installed.output());
    }
    int port = FreePorts.pick();
    MariaDbServer server = new MariaDbServer(directory, port, launch(directory, data, port));
    Runtime.getRuntime().addShutdownHook(server.stopWithJvm);
    server.awaitReady();
    return server;
  }

  private static ChildProcess launch(Path directory, Path data, int port) {
    try {
      Path accounts = directory.resolve("accounts.sql");
      // Read at every start, line by line.
      Files.writeString(
          accounts,
          "CREATE USER IF NOT EXISTS '"
              + USER
              + "'@'%' IDENTIFIED BY '"
              + PASSWORD
              + "';\nGRANT ALL ON *.* TO '"
              + USER
              + "'@'%' WITH GRANT OPTION;\n");
      List<String> command = new ArrayList<>();
      command.add(required("mariadbd"));
      command.addAll(
          List.of(
              "--no-defaults",
              "--datadir=" + data,
              "--port=" + port,
              "--bind-address=127.0.0.1",
              "--skip-name-resolve",
              "--socket=" + directory.resolve("s"),
              "--pid-file=" + directory.resolve("pid"),
              "--init-file=" + accounts,
              "--max-connections=200"));
      command.addAll(asRoot());
      ChildProcess server =
          new ChildProcess("MariaDB on port " + port, command, directory.resolve("log"));
      server.start();
      return server;
    } catch (IOException e) {
      throw new UncheckedIOException("cannot start mariadbd in " + directory, e);
    }
  }

  /** It refuses to run as root unless told so. */
  private static List<String> asRoot() {
    return RunAs.isRoot() ? List.of("--user=root") : List.of();
  }

  private void awaitReady() {
    long deadline = System.nanoTime() + READY_WITHIN.toNanos();
    while (true) {
      try (Connection connection = connect("mysql")) {
        connection.isValid(1);
        return;
      } catch (SQLException notYet) {
        if (!process.isAlive() || System.nanoTime() > deadline) {
          String log = process.printed();
          close();
          throw new IllegalStateException("mariadbd does not answer; its log:\n" + log, notYet);
        }
        pause();
      }
    }
  }

  private static void pause() {
    try {
      TimeUnit.MILLISECONDS.sleep(POLL_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while waiting for mariadbd", e);
    }
  }

  public int port() {
    return port;
  }

  /** A new connection that may do everything, which the caller closes. */
  public Connection connect(String database) throws SQLException {
    return DriverManager.getConnection(
        "jdbc:mariadb://127.0.0.1:" + port + "/" + database, USER, PASSWORD);
  }

  /** Runs a statement outside any test's database. */
  void execute(String sql) throws SQLException {
    try (Connection connection = connect("mysql");
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  /** Stops the server and deletes its data. May be called again. */
  @Override
  public void close() {
    stop();
    try {
      Runtime.getRuntime().removeShutdownHook(stopWithJvm);
    } catch (IllegalStateException ending) {
      // The JVM ends and runs the hook itself.
    }
  }

  private void stop() {
    // Nobody will read what is deleted.
    process.close();
    Directories.delete(directory);
  }

  private static String required(String name) {
    return program(name)
        .orElseThrow(
            () ->
                new IllegalStateException(
                    name + " was not found in " + DIRECTORIES + "; install package " + PACKAGE));
  }

  private static Optional<String> program(String name) {
    return Stream.of(DIRECTORIES)
        .flatMap(List::stream)
        .map(directory -> Path.of(directory, name))
        .filter(Files::isExecutable)
        .map(Path::toString)
        .findFirst();
  }
}
