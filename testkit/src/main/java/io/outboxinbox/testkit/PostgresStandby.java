package io.outboxinbox.testkit;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * A streaming standby of a {@link PostgresServer}, made from a base backup of the running primary,
 * with a physical slot of its own there. It can be cut off from its primary, promoted and killed:
 *
 * <pre>{@code
 * try (PostgresServer primary = PostgresServer.start(PostgresVersion.V17);
 *     PostgresStandby standby = PostgresStandby.of(primary, PostgresStandby.Options.named("second"))) {
 *   standby.awaitReplayed();
 *   primary.killPostmaster();
 *   standby.promote();
 *   standby.server().connect("postgres"); // reads and writes
 * }
 * }</pre>
 *
 * <p>Any thread may use it, one at a time. Who makes it closes it, before or after the primary.
 */
public final class PostgresStandby implements AutoCloseable {
  // The server looks after slots every 30 s when little happens, and may need several looks.
  private static final Duration LIMIT = Duration.ofMinutes(4);
  private static final long LOOK_EVERY_MILLIS = 20;

  /** What only a primary may wait for; a promoted standby with it would wait for itself. */
  private static final Set<String> OF_PRIMARY =
      Set.of("synchronized_standby_slots", "synchronous_standby_names");

  /**
   * How to make a standby.
   *
   * @param name of its physical slot and its application_name: lower-case letters, digits and
   *     underscores
   * @param hasSyncedSlots whether logical slots of the primary made with {@code failover} are kept
   *     here too; PostgreSQL 17 or later
   * @param settings add to or replace those of the primary, such as {@code
   *     recovery_min_apply_delay=1h}
   */
  public record Options(String name, boolean hasSyncedSlots, Map<String, String> settings) {
    private static final Pattern SLOT_NAME = Pattern.compile("[a-z0-9_]{1,63}");

    public Options {
      if (!SLOT_NAME.matcher(name).matches()) {
        throw new IllegalArgumentException("standby name '" + name + "' must match " + SLOT_NAME);
      }
      settings = Map.copyOf(settings);
    }

    /** Physical replication alone, asynchronous; everything else as the primary has it. */
    public static Options named(String name) {
      return new Options(name, false, Map.of());
    }

    /**
     * Keeps failover slots in step. The primary does not wait for this standby unless {@code
     * synchronized_standby_slots} there names it.
     */
    public Options withSyncedSlots() {
      return new Options(name, true, settings);
    }

    public Options withSetting(String setting, String value) {
      Map<String, String> more = new LinkedHashMap<>(settings);
      more.put(setting, value);
      return new Options(name, hasSyncedSlots, more);
    }
  }

  private final PostgresServer primary;
  private final PostgresServer server;

  private PostgresStandby(PostgresServer primary, PostgresServer server) {
    this.primary = primary;
    this.server = server;
  }

  /**
   * Copies a running primary and starts the copy; it answers read-only queries when this returns.
   *
   * @throws IllegalArgumentException slots cannot be kept in step by this version
   * @throws IllegalStateException the copy does not start; the message ends with its log
   */
  public static PostgresStandby of(PostgresServer primary, Options options) throws SQLException {
    if (options.hasSyncedSlots() && primary.version().major() < 17) {
      throw new IllegalArgumentException(
          "standby "
              + options.name()
              + " cannot keep slots in step: needs PostgreSQL 17, but the primary is "
              + primary);
    }
    // Before the backup: from here on the primary keeps the log that the copy has to catch up with.
    try (Connection connection = primary.connect("postgres");
        PreparedStatement create =
            connection.prepareStatement("SELECT pg_create_physical_replication_slot(?, true)")) {
      create.setString(1, options.name());
      create.execute();
    }
    PostgresServer.Options copy =
        new PostgresServer.Options(primary.version(), 0, null, settings(primary, options));
    PostgresServer server =
        PostgresServer.start(
            copy, RunAs.detect(), directory -> BaseBackup.copy(primary, directory));
    return new PostgresStandby(primary, server);
  }

  private static Map<String, String> settings(PostgresServer primary, Options options) {
    Map<String, String> settings = new LinkedHashMap<>(primary.settings());
    settings.keySet().removeAll(OF_PRIMARY);
    String conninfo =
        "host=%s port=%d user=%s password=%s application_name=%s"
            .formatted(
                primary.host(),
                primary.port(),
                primary.superuser(),
                primary.superuserPassword(),
                options.name());
    settings.put("primary_slot_name", options.name());
    settings.put("hot_standby", "on");
    if (options.hasSyncedSlots()) {
      // The worker that copies slots logs in to a database to read them; any will do.
      conninfo += " dbname=postgres";
      settings.put("sync_replication_slots", "on");
      settings.put("hot_standby_feedback", "on");
    }
    settings.put("primary_conninfo", conninfo);
    settings.putAll(options.settings());
    return settings;
  }

  /** The standby as a server; after {@link #promote} one like any other. */
  public PostgresServer server() {
    return server;
  }

  /** Waits until everything the primary has flushed by now can be read here. */
  public void awaitReplayed() throws SQLException {
    String flushed = query(primary, "SELECT pg_current_wal_flush_lsn()");
    await(
        "replay up to " + flushed, "SELECT pg_last_wal_replay_lsn() >= '" + flushed + "'::pg_lsn");
  }

  /**
   * Waits until a failover slot of the primary is here and would survive a promotion, with at least
   * the confirmed position it has there now.
   *
   * @param slot a logical slot of the primary, made with {@code failover}
   */
  public void awaitSlot(String slot) throws SQLException {
    String confirmed =
        query(
            primary,
            "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '"
                + slot
                + "'");
    await(
        "slot " + slot + " in step with " + confirmed,
        """
        SELECT EXISTS (SELECT FROM pg_replication_slots
          WHERE slot_name = '%s' AND synced AND NOT temporary AND confirmed_flush_lsn >= '%s')
        """
            .formatted(slot, confirmed));
  }

  /**
   * Stops receiving log from the primary: what it commits from now on is lost by a promotion, as
   * with a network that fails before the primary does.
   */
  public void disconnect() throws SQLException {
    execute("ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()");
    await("end of receiving", "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)");
  }

  /** Receives log again after {@link #disconnect}. */
  public void reconnect() throws SQLException {
    execute("ALTER SYSTEM RESET primary_conninfo", "SELECT pg_reload_conf()");
    await(
        "receiving", "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')");
  }

  /**
   * Makes it a primary on a new timeline; it takes writes when this returns. The old primary is
   * left as it is: whoever wants no second one stops or kills it first.
   */
  public void promote() throws SQLException {
    String isPromoted = query(server, "SELECT pg_promote(true, " + LIMIT.toSeconds() + ")");
    if (!"t".equals(isPromoted)) {
      throw new IllegalStateException(
          "standby " + server + " was not promoted within " + LIMIT.toSeconds() + " s");
    }
  }

  /** Kills it with SIGKILL; {@code server().startAgain()} starts it again as what it was. */
  public void kill() {
    server.killPostmaster();
  }

  /** Stops it and deletes its data. Its slot stays at the primary and keeps log there. */
  @Override
  public void close() {
    server.close();
  }

  @Override
  public String toString() {
    return "standby " + server + " of " + primary;
  }

  private void execute(String... statements) throws SQLException {
    // Each in a transaction of its own, as ALTER SYSTEM demands.
    try (Connection connection = server.connect("postgres");
        Statement statement = connection.createStatement()) {
      for (String sql : statements) {
        statement.execute(sql);
      }
    }
  }

  private void await(String what, String sql) throws SQLException {
    long deadline = System.nanoTime() + LIMIT.toNanos();
    while (!"t".equals(query(server, sql))) {
      if (System.nanoTime() > deadline) {
        throw new IllegalStateException(
            this + ": no " + what + " within " + LIMIT.toSeconds() + " s");
      }
      try {
        Thread.sleep(LOOK_EVERY_MILLIS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("interrupted while waiting for " + what, e);
      }
    }
  }

  private static String query(PostgresServer asked, String sql) throws SQLException {
    try (Connection connection = asked.connect("postgres");
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      String value = rows.next() ? rows.getString(1) : null;
      if (value == null) {
        throw new IllegalStateException(asked + " has no answer to " + sql);
      }
      return value;
    }
  }
}
