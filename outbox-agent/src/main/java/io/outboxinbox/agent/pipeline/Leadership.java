package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.capture.SourceConfiguration;
import io.outboxinbox.agent.capture.SourceConnections;
import io.outboxinbox.agent.capture.SourceNames;
import io.outboxinbox.agent.capture.SourceRegistry;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.SourceIdentity;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The right to publish a source's events, held as a session advisory lock in the source database.
 *
 * <p>A crashed leader's lock ends with its session, but a stopped process keeps both: its kernel
 * answers for it. So the leader also pulses, and a standby that sees no pulse for too long ends the
 * leader's session. That is safe even when the leader is alive: the broker fences whatever it still
 * sends. Used by the pipeline's thread, {@link #pulse} by the pulse thread; not at the same time.
 */
final class Leadership implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Leadership.class);

  /** First half of the lock's key, so that it meets no application's lock by chance. */
  private static final int LOCK_CLASS = 0x0B0C5;

  private final PipelineConfiguration pipeline;
  private final Connection connection;
  private final SourceRegistry registry;
  private final SourceIdentity source;
  private final String holder;
  private final Duration takeoverAfter;

  private long seenPulse = -1;
  private long seenNanos;
  private Duration stalled = Duration.ZERO;
  private Optional<Duration> silentBefore = Optional.empty();
  private long acquiredNanos;
  private boolean hasTakenOver;

  private Leadership(
      PipelineConfiguration pipeline,
      Connection connection,
      SourceRegistry registry,
      SourceIdentity source,
      String holder,
      Duration takeoverAfter) {
    this.pipeline = pipeline;
    this.connection = connection;
    this.registry = registry;
    this.source = source;
    this.holder = holder;
    this.takeoverAfter = takeoverAfter;
    this.seenNanos = System.nanoTime();
  }

  /**
   * Connects; nothing is locked yet.
   *
   * @param holder names this agent to operators
   * @throws SQLException the database is away or refuses
   */
  static Leadership connect(PipelineConfiguration pipeline, String holder) throws SQLException {
    SourceConnections connections = new SourceConnections(pipeline.source());
    Duration takeoverAfter = pipeline.leadership().takeoverAfter();
    // A leader that gets no answer for this long must assume that it has been replaced.
    Connection connection =
        connections.open("leadership", Math.toIntExact(Math.max(1, takeoverAfter.toSeconds())));
    try {
      PipelineConfiguration named =
          pipeline.withSource(SourceNames.resolved(connection, pipeline.source()));
      SourceRegistry registry = new SourceRegistry(named.source());
      SourceIdentity source = identify(connection, named);
      return new Leadership(named, connection, registry, source, holder, takeoverAfter);
    } catch (SQLException | RuntimeException e) {
      connection.close();
      throw e;
    }
  }

  /** Which source the connected database is. */
  static SourceIdentity identify(Connection connection, PipelineConfiguration pipeline)
      throws SQLException {
    SourceConfiguration source = SourceNames.resolved(connection, pipeline.source());
    try (PreparedStatement statement =
            connection.prepareStatement("SELECT system_identifier::text FROM pg_control_system()");
        ResultSet row = statement.executeQuery()) {
      row.next();
      return new SourceIdentity(row.getString(1), source.database(), source.publication());
    }
  }

  /** With the names that hold in the database this agent is connected to. */
  PipelineConfiguration pipeline() {
    return pipeline;
  }

  SourceIdentity source() {
    return source;
  }

  Connection connection() {
    return connection;
  }

  /**
   * Tries to become the leader; ends the session of a leader that has not pulsed for too long.
   *
   * @return whether this agent leads now
   * @throws SQLException the database is away
   */
  boolean tryAcquire() throws SQLException {
    if (tryLock()) {
      acquiredNanos = System.nanoTime();
      registry.register(connection, source.id());
      silentBefore = registry.sincePulse(connection, source.id());
      return true;
    }
    long pulse = registry.lastPulse(connection, source.id());
    long now = System.nanoTime();
    if (pulse != seenPulse) {
      seenPulse = pulse;
      seenNanos = now;
    } else if (now - seenNanos > takeoverAfter.toNanos()) {
      LOG.warn(
          "source {}: the leader has not pulsed for {}; ending its session",
          source.id(),
          takeoverAfter);
      endLeaderSession();
      stalled = Duration.ofNanos(now - seenNanos);
      seenNanos = now;
    }
    return false;
  }

  /**
   * From the last sign of life of whoever led before until now; zero when nobody did. Only the
   * first call has an answer: later the same leader merely begins again.
   */
  Optional<Duration> takeoverEnds() {
    if (hasTakenOver) {
      return Optional.empty();
    }
    hasTakenOver = true;
    return Optional.of(
        silentBefore
            .map(silence -> silence.plusNanos(System.nanoTime() - acquiredNanos))
            .orElse(Duration.ZERO));
  }

  /** What comes next is no takeover: an operator let it wait. */
  void waited() {
    hasTakenOver = true;
  }

  /** For how long the leader before had been silent when its session was ended; else zero. */
  Duration stalled() {
    return stalled;
  }

  private boolean tryLock() throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement("SELECT pg_try_advisory_lock(?, hashtext(?))")) {
      statement.setInt(1, LOCK_CLASS);
      statement.setString(2, source.publication());
      try (ResultSet row = statement.executeQuery()) {
        row.next();
        return row.getBoolean(1);
      }
    }
  }

  private void endLeaderSession() throws SQLException {
    String sql =
        """
        SELECT pg_terminate_backend(pid) FROM pg_locks
        WHERE locktype = 'advisory' AND granted AND objsubid = 2
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND classid = ? AND objid = (hashtext(?)::bigint & 4294967295)::oid
        """;
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setLong(1, LOCK_CLASS);
      statement.setString(2, source.publication());
      statement.executeQuery().close();
    }
  }

  /**
   * Shows that the leader is alive.
   *
   * @param content comes back through the log
   * @return whether publishing is paused
   * @throws SQLException leadership must be taken as lost
   */
  Optional<SourceRegistry.Pause> pulse(String content) throws SQLException {
    return registry.pulse(connection, source.id(), holder, content);
  }

  /**
   * Asks the database whether the lock is still ours.
   *
   * @throws AgentException.Retryable it is not
   * @throws SQLException leadership must be taken as lost
   */
  void ensureHeld() throws SQLException {
    String sql =
        """
        SELECT count(*) FROM pg_locks
        WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND pid = pg_backend_pid()
          AND classid = ? AND objid = (hashtext(?)::bigint & 4294967295)::oid
        """;
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setLong(1, LOCK_CLASS);
      statement.setString(2, source.publication());
      try (ResultSet row = statement.executeQuery()) {
        row.next();
        if (row.getInt(1) == 0) {
          throw new AgentException.Retryable("the leadership lock is no longer held", null);
        }
      }
    }
  }

  /**
   * Ends the connection that still streams from the slot, if there is one: a dead leader's holds it
   * up to wal_sender_timeout.
   *
   * @return the process that was ended
   */
  Optional<Integer> freeSlot(String slot) throws SQLException {
    String sql =
        """
        SELECT active_pid, pg_terminate_backend(active_pid) FROM pg_replication_slots
        WHERE slot_name = ? AND database = current_database() AND active_pid IS NOT NULL
        """;
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setString(1, slot);
      try (ResultSet row = statement.executeQuery()) {
        return row.next() ? Optional.of(row.getInt(1)) : Optional.empty();
      }
    }
  }

  /** Gives leadership up by ending the session. */
  @Override
  public void close() {
    try {
      connection.close();
    } catch (SQLException e) {
      LOG.debug("closing the leadership connection failed", e);
    }
  }
}
