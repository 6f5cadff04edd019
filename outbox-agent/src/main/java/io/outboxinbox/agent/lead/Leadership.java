package io.outboxinbox.agent.lead;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.source.LockHolder;
import io.outboxinbox.agent.source.SocketGroup;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.SourceNames;
import io.outboxinbox.agent.source.Sql;
import io.outboxinbox.agent.source.table.SourceRegistry;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
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
public final class Leadership implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Leadership.class);

  private static final int LOCK_CLASS = 0x0B0C5;

  /** Held, beside each other, by every session a leader writes on. */
  private static final int SESSIONS_CLASS = 0x0B0C7;

  /** Sessions end within milliseconds; one that hangs in its disk takes longer. */
  private static final Duration SESSIONS_END_WITHIN = Duration.ofSeconds(10);

  private static final int END_WAIT_MILLIS = 500;

  private static final long LOOK_EVERY_MILLIS = 50;

  /** The first may take a while where the disk is slow; {@code takeoverAfter} lies in between. */
  private static final int VAIN_ENDS = 2;

  private final PipelineConfiguration configured;
  private final PipelineConfiguration pipeline;
  private final Connection connection;
  private final SourceConfiguration configuration;
  private final SourceRegistry registry;
  private final SourceIdentity source;
  private final String holder;
  private final Duration takeoverAfter;

  private final SourceLock lock;
  private final SourceLock sessions;

  private final LeaderSilence silence;
  private final SocketGroup sockets = SocketGroup.open();
  private List<LockHolder> ended = List.of();
  private int ends;
  private String leader = "";
  private @Nullable AgentException obstacle;
  private Duration stalled = Duration.ZERO;
  private Optional<Duration> silentBefore = Optional.empty();
  private long acquiredNanos;
  private boolean hasTakenOver;

  private Leadership(
      PipelineConfiguration configured,
      PipelineConfiguration pipeline,
      Connection connection,
      SourceIdentity source,
      String holder) {
    this.configured = configured;
    this.pipeline = pipeline;
    this.connection = connection;
    this.configuration = pipeline.source();
    this.registry = new SourceRegistry(configuration);
    this.source = source;
    this.holder = holder;
    this.takeoverAfter = pipeline.leadership().takeoverAfter();
    this.lock = new SourceLock(LOCK_CLASS, source.publication());
    this.sessions = new SourceLock(SESSIONS_CLASS, source.publication());
    this.silence = new LeaderSilence(takeoverAfter, System::nanoTime);
  }

  /**
   * Connects; nothing is locked yet.
   *
   * @param holder names this agent to operators
   * @throws SQLException the database is away or refuses
   */
  public static Leadership connect(PipelineConfiguration pipeline, String holder)
      throws SQLException {
    SourceConnections connections = new SourceConnections(pipeline.source());
    Duration takeoverAfter = pipeline.leadership().takeoverAfter();
    // A leader that gets no answer for this long must assume that it has been replaced.
    Connection connection =
        connections.open("leadership", Math.toIntExact(Math.max(1, takeoverAfter.toSeconds())));
    try {
      PipelineConfiguration named =
          pipeline.withSource(SourceNames.resolved(connection, pipeline.source()));
      SourceIdentity source = SourceNames.identify(connection, named.source());
      return new Leadership(pipeline, named, connection, source, holder);
    } catch (SQLException | RuntimeException e) {
      connection.close();
      throw e;
    }
  }

  /** With the names that hold in the database this agent is connected to. */
  public PipelineConfiguration pipeline() {
    return pipeline;
  }

  public SourceIdentity source() {
    return source;
  }

  public Connection connection() {
    return connection;
  }

  /**
   * Connections of this lead: they end before another agent leads, so nothing that is sent on them
   * can reach the database later than that. Any thread may open them.
   */
  public SourceConnections connections() {
    return new SourceConnections(configuration, this::join, sockets);
  }

  /**
   * Ends the connections of this lead, but for the leadership's own, whatever waits for an answer
   * on them. Any thread may call it.
   */
  void breakConnections() {
    sockets.breakAll();
  }

  /**
   * First marks the session, then looks whether we lead: whoever leads after that look sees the
   * mark, and whoever led before it is seen.
   */
  private void join(Connection session) throws SQLException {
    if (!sessions.tryShared(session)) {
      throw new AgentException.Misconfigured(
          "lock (%d, pg_catalog.hashtext('%s')) of the leader's sessions is held by %s, which is no agent of source %s"
              .formatted(
                  SESSIONS_CLASS,
                  source.publication(),
                  LockHolder.names(sessions.others(session)),
                  source.id()),
          LockHolder.ends(sessions.others(session)));
    }
    ensureHeld();
  }

  /**
   * Tries to become the leader; ends the session of a leader that has not pulsed for too long, and
   * every session that writes for an earlier lead.
   *
   * @return whether this agent leads now
   * @throws AgentException an earlier lead's session cannot be ended
   * @throws SQLException the database is away
   */
  public boolean tryAcquire() throws SQLException {
    if (lock.tryExclusive(connection)) {
      acquiredNanos = System.nanoTime();
      leader = holder;
      endFormerSessions();
      requireSameNames();
      registry.register(connection, source.id());
      silentBefore = registry.sincePulse(connection, source.id());
      return true;
    }
    List<LockHolder> holders = lock.others(connection);
    SourceRegistry.LastPulse pulse = registry.lastPulse(connection, source.id());
    if (silence.look(pulse.number())) {
      obstacle = null;
      ends = 0;
    }
    if (!silence.isFollowing()) {
      obstacle = obstacle(holders);
    }
    if (silence.isTooLong()) {
      stalled = silence.length();
      endLeaderSessions(holders.stream().filter(LockHolder::isOurs).toList());
    }
    leader = silence.isFollowing() ? pulse.holder() + address(holders) : "";
    return false;
  }

  /**
   * The same for one who cannot come again: waits for a session that is only ending, which takes a
   * moment more than its client does.
   *
   * @param patience how long; whoever gives a sign of life meanwhile ends the wait
   */
  public boolean tryAcquire(Duration patience) throws SQLException, InterruptedException {
    long deadline = System.nanoTime() + patience.toNanos();
    boolean leads = tryAcquire();
    long pulse = silence.lastPulse();
    while (!leads
        && System.nanoTime() - deadline < 0
        && registry.lastPulse(connection, source.id()).number() == pulse) {
      Thread.sleep(LOOK_EVERY_MILLIS);
      // Only a free lock: trying a held one ends the session of a leader that has been silent.
      leads = lock.others(connection).isEmpty() && tryAcquire();
    }
    if (leads) {
      showLife();
    }
    return leads;
  }

  /** For who leads without pulsing: a standby counts the silence from the last sign of life. */
  public void showLife() throws SQLException {
    pulse("shown");
  }

  /** A standby may have waited for days, while a leader began anew under the names of today. */
  private void requireSameNames() throws SQLException {
    SourceConfiguration now = SourceNames.resolved(connection, configured.source());
    if (!now.slot().equals(configuration.slot())
        || !now.publication().equals(configuration.publication())) {
      throw new AgentException.Retryable(
          "slot and publication of source %s are %s and %s now; they were %s and %s when this agent began to wait"
              .formatted(
                  source.id(),
                  now.slot(),
                  now.publication(),
                  configuration.slot(),
                  configuration.publication()));
    }
  }

  /** Who holds the lock now, for a message. */
  public String rivals() throws SQLException {
    return LockHolder.names(lock.others(connection));
  }

  /** Whether another agent has been seen to lead: its pulse goes up. */
  public boolean isFollowing() {
    return silence.isFollowing();
  }

  /** Who leads, by host and process, and from which address; empty if nobody is known to. */
  public String leader() {
    return leader;
  }

  /** In a container the name of a host tells little. */
  private static String address(List<LockHolder> holders) {
    return holders.stream()
        .filter(LockHolder::isOurs)
        .flatMap(agent -> Optional.ofNullable(agent.address()).stream())
        .findFirst()
        .map(" at "::concat)
        .orElse("");
  }

  /** Why nobody leads, as far as that is known; its type says whether it passes by itself. */
  public Optional<AgentException> obstacle() {
    return Optional.ofNullable(obstacle);
  }

  private @Nullable AgentException obstacle(List<LockHolder> holders) throws SQLException {
    List<LockHolder> waiting = holders.stream().filter(LockHolder::waitsForReplica).toList();
    if (!waiting.isEmpty()) {
      return ReplicaWait.of(connection).orElse(null);
    }
    List<LockHolder> foreign = holders.stream().filter(other -> !other.isOurs()).toList();
    if (!foreign.isEmpty() && silence.isTooLong()) {
      return new AgentException.Misconfigured(
          "the leadership lock of source %s is held by %s, which has shown no agent's sign of life for %s and which role %s may not end; nobody publishes"
              .formatted(
                  source.id(), LockHolder.names(foreign), takeoverAfter, configuration.username()),
          LockHolder.ends(foreign));
    }
    List<LockHolder> left = holders.stream().filter(this::wasEnded).toList();
    return left.isEmpty() || ends < VAIN_ENDS ? null : doesNotEnd(left);
  }

  private boolean wasEnded(LockHolder holder) {
    return ended.stream().anyMatch(before -> before.pid() == holder.pid());
  }

  private AgentException doesNotEnd(List<LockHolder> left) {
    return new AgentException.Retryable(
        AgentException.Retryable.Side.DATABASE,
        "%s keeps the leadership lock of source %s and does not end although it was told to: it is stopped, or hangs; nobody publishes; fix: on the database's host 'kill -CONT %s' lets a stopped one end; else 'pg_ctl restart -m immediate', since any other restart waits for it; if it hangs in its disk, restart the host"
            .formatted(
                LockHolder.names(left),
                source.id(),
                left.stream()
                    .map(holder -> Integer.toString(holder.pid()))
                    .collect(Collectors.joining(" "))));
  }

  /** Only our own role's: another's session is not ours to end, whatever lock it holds. */
  private void endLeaderSessions(List<LockHolder> ours) throws SQLException {
    if (ours.isEmpty()) {
      return;
    }
    ends = ours.stream().allMatch(this::wasEnded) ? ends + 1 : 1;
    ended = ours;
    for (LockHolder holder : ours) {
      if (ends == 1) {
        LOG.warn(
            "source {}: the leader has not pulsed for {}; ending its session, {}",
            source.id(),
            takeoverAfter,
            holder.name());
      }
      SourceLock.end(connection, holder, 0);
    }
    silence.waitAgain();
  }

  /**
   * A leader that was replaced may have sent a statement that has not arrived yet, or be frozen in
   * the middle of a transaction; either would change, or hold up, what this lead relies on.
   */
  private void endFormerSessions() throws SQLException {
    long deadline = System.nanoTime() + SESSIONS_END_WITHIN.toNanos();
    List<LockHolder> left = sessions.others(connection);
    while (!left.isEmpty()) {
      List<LockHolder> foreign = left.stream().filter(other -> !other.isOurs()).toList();
      if (!foreign.isEmpty()) {
        throw new AgentException.Misconfigured(
            "%s may still write for an earlier leader of source %s, and role %s may not end it"
                .formatted(LockHolder.names(foreign), source.id(), configuration.username()),
            LockHolder.ends(foreign));
      }
      for (LockHolder holder : left) {
        LOG.info("ending a session of an earlier lead: {}", holder.name());
        SourceLock.end(connection, holder, END_WAIT_MILLIS);
      }
      left = sessions.others(connection);
      if (!left.isEmpty() && System.nanoTime() - deadline > 0) {
        throw new AgentException.Retryable(
            AgentException.Retryable.Side.DATABASE,
            "a session of an earlier lead does not end: " + LockHolder.names(left));
      }
    }
  }

  /**
   * From the last sign of life of whoever led before until now; zero when nobody did. Only the
   * first call has an answer: later the same leader merely begins again.
   */
  public Optional<Duration> takeoverEnds() {
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
  public void waited() {
    hasTakenOver = true;
  }

  /** For how long the leader before had been silent when its session was ended; else zero. */
  public Duration stalled() {
    return stalled;
  }

  /**
   * Shows that the leader is alive.
   *
   * @param content comes back through the log
   * @throws SQLException leadership must be taken as lost
   */
  SourceRegistry.Pulsed pulse(String content) throws SQLException {
    return registry.pulse(connection, source.id(), holder, content);
  }

  /**
   * Asks the database whether the lock is still ours.
   *
   * @throws AgentException.Retryable it is not
   * @throws SQLException leadership must be taken as lost
   */
  public void ensureHeld() throws SQLException {
    if (!lock.isHeld(connection)) {
      throw new AgentException.Retryable("the leadership lock is no longer held");
    }
  }

  /**
   * Ends the connection that still streams from the slot, if there is one: a dead leader's holds it
   * up to wal_sender_timeout.
   *
   * @return the process that was ended
   */
  public Optional<Integer> freeSlot(String slot) throws SQLException {
    String sql =
        """
        SELECT active_pid, pg_terminate_backend(active_pid) FROM pg_replication_slots
        WHERE slot_name = ? AND database = current_database() AND active_pid IS NOT NULL
        """;
    return Sql.first(connection, sql, row -> row.getInt(1), slot);
  }

  /** Gives leadership up by ending the session. */
  @Override
  public void close() {
    sockets.close();
    try {
      connection.close();
    } catch (SQLException e) {
      LOG.debug("closing the leadership connection failed", e);
    }
  }
}
