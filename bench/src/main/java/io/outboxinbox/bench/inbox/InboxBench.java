package io.outboxinbox.bench.inbox;

import io.outboxinbox.bench.inbox.Options.Part;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresServer;
import io.outboxinbox.testkit.PostgresVersion;
import java.lang.management.ManagementFactory;
import java.sql.Connection;
import java.sql.SQLException;

/** {@code bench/run inbox}: starts a server, measures, prints the table. */
public final class InboxBench {
  private static final int GOAL_MISSED = 1;
  private static final int MISUSED = 2;

  private InboxBench() {}

  /** Databases without tables, a new one with each call. */
  interface Databases {
    PostgresDatabase next() throws SQLException;
  }

  public static void main(String[] arguments) throws SQLException {
    Options options;
    try {
      options = Options.parse(arguments);
    } catch (IllegalArgumentException e) {
      System.err.println("bench inbox: " + e.getMessage());
      System.exit(MISUSED);
      return;
    }
    Report report = new Report(System.out);
    try (PostgresServer server = PostgresServer.start(PostgresVersion.V17)) {
      tellConditions(server, report);
      run(() -> newDatabase(server), options, report);
      report.say("load of the machine at the end: %.1f", load());
    }
    report.print();
    if (options.isStrict() && !report.isEveryGoalMet()) {
      System.exit(GOAL_MISSED);
    }
  }

  static void run(Databases databases, Options options, Report report) throws SQLException {
    Sizes sizes = options.sizes();
    if (options.parts().contains(Part.OVERHEAD)) {
      Overhead.measure(databases.next(), sizes, report);
    }
    if (options.parts().contains(Part.OTHERS)) {
      Others.measure(databases.next(), sizes, report);
    }
    if (options.parts().contains(Part.MONTH)) {
      Month.measure(databases.next(), databases.next(), sizes, report);
    }
  }

  private static PostgresDatabase newDatabase(PostgresServer server) throws SQLException {
    return server.database(server.createDatabase("bench"));
  }

  private static void tellConditions(PostgresServer server, Report report) throws SQLException {
    try (Connection connection = server.connect("postgres");
        var statement = connection.createStatement();
        var row =
            statement.executeQuery(
                "SELECT current_setting('server_version'), current_setting('fsync'),"
                    + " current_setting('synchronous_commit'), current_setting('shared_buffers'),"
                    + " current_setting('max_wal_size')")) {
      row.next();
      report.say(
          "PostgreSQL %s, fsync %s, synchronous_commit %s, shared_buffers %s, max_wal_size %s",
          row.getString(1), row.getString(2), row.getString(3), row.getString(4), row.getString(5));
    }
    report.say(
        "Java %s, %d processors, load of the machine at the start: %.1f",
        System.getProperty("java.version"), Runtime.getRuntime().availableProcessors(), load());
  }

  private static double load() {
    return ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
  }
}
