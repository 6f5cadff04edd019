package io.outboxinbox.agent.source.table;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.PublicationMark;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.Sql;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Table {@code outbox_agent_source}: what the database itself remembers of its agents. It tells a
 * first start from a lost position, which the broker alone cannot.
 */
public final class SourceRegistry {
  /** Prefix of our logical messages; Debezium drops those of others. */
  public static final String PULSE_PREFIX = "outbox-agent";

  /**
   * What is known of a source.
   *
   * @param epoch last epoch begun, 0 for none
   * @param isSeeded whether a position of that epoch ever became durable
   * @param reconciliation goes up with each one begun, and with each reset
   * @param broker the cluster that has the position; null when not known
   * @param branchedAt the last pulse before the server's timeline changed; null if it never did
   * @param slot the one that is the source's own; empty where it has none, such as after a reset,
   *     null before one is noted
   */
  public record Registration(
      long epoch,
      boolean isSeeded,
      long reconciliation,
      @Nullable String broker,
      @Nullable Instant branchedAt,
      @Nullable String slot) {
    /** Of a source that has no row. */
    public static final Registration NONE = new Registration(0, false, 0, null, null, null);

    /**
     * The slot that is the source's own; any other may be somebody else's. Where none is noted, as
     * in an earlier version, only a position tells.
     *
     * @param position the broker's, of this source; null when it has none
     */
    public Optional<String> ownSlot(@Nullable Checkpoint position) {
      return slot == null
          ? Optional.ofNullable(position).map(Checkpoint::slot)
          : Optional.of(slot).filter(name -> !name.isEmpty());
    }

    /** Whether the slot of this name is its own. */
    public boolean owns(String name, @Nullable Checkpoint position) {
      return ownSlot(position).filter(name::equals).isPresent();
    }

    /** Whether a reset has asked for a first start, where none has begun since. */
    public boolean isReset() {
      return "".equals(slot) && !isSeeded;
    }

    /** Whose turn it is to write the backlog. */
    public Turn turn() {
      return new Turn(epoch, reconciliation);
    }

    /** Higher than any before, even where this table was lost and began again. */
    public long nextEpoch(Instant now) {
      return Math.max(epoch + 1, now.getEpochSecond());
    }
  }

  /**
   * Somebody wants nothing to be published for now.
   *
   * @param by the operator who asked for it
   */
  public record Pause(Instant since, String by, String reason) {}

  /** One first start or reconciliation; whoever begins another takes the turn from it. */
  public record Turn(long epoch, long reconciliation) {}

  /**
   * A leader's sign of life.
   *
   * @param number goes up; -1 if there never was one
   * @param holder names the agent that gave it; empty if there never was one
   */
  public record LastPulse(long number, String holder) {
    static final LastPulse NEVER = new LastPulse(-1, "");
  }

  /**
   * A sign of life that was given.
   *
   * @param number of it; no other of the source has it
   * @param pause whether publishing is paused, which every agent of the source must honour
   */
  public record Pulsed(long number, Optional<Pause> pause) {}

  private final SourceConfiguration source;
  private final String table;

  public SourceRegistry(SourceConfiguration source) {
    this.source = source;
    this.table = Identifiers.qualified(source.schema(), "outbox_agent_source");
  }

  /** Makes sure the source has a row. */
  public void register(Connection connection, String sourceId) throws SQLException {
    String sql = "INSERT INTO " + table + " (source) VALUES (?) ON CONFLICT (source) DO NOTHING";
    Sql.update(connection, sql, sourceId);
  }

  public Optional<Registration> find(Connection connection, String sourceId) throws SQLException {
    String sql =
        """
        SELECT coalesce(epoch, 0) AS epoch, seeded_at IS NOT NULL AS is_seeded, reconciliation, broker,
          branched_at, slot
        FROM %s WHERE source = ?
        """
            .formatted(table);
    return Sql.first(connection, sql, Sql.as(Registration.class), sourceId);
  }

  /**
   * The slot that is the source's own, as {@link Registration#ownSlot}; none where it has no row.
   */
  public Optional<String> ownSlot(
      Connection connection, String sourceId, @Nullable Checkpoint position) throws SQLException {
    return find(connection, sourceId).orElse(Registration.NONE).ownSlot(position);
  }

  /**
   * What people and other agents have decided about a source that stopped. One may stop for the row
   * of another, which they delete: so that there is another, or one less, counts too.
   *
   * @param text changes with every decision, and is never empty
   * @param request tells one request for a reconciliation from another; null when none is open
   */
  public record Decision(String text, @Nullable String request) {}

  /** What has been decided so far. */
  public Decision decision(Connection connection, String sourceId) throws SQLException {
    String sql =
        """
        SELECT pg_catalog.concat_ws(' ', source, reconcile_requested_at, epoch, seeded_at IS NULL,
            reconciliation,
            (SELECT string_agg(source, ' ' ORDER BY source) FROM %1$s WHERE seeded_at IS NOT NULL))
            AS text,
          reconcile_requested_at::text AS request
        FROM %1$s WHERE source = ?
        """
            .formatted(table);
    return CatalogQuery.first(connection, sql, Sql.as(Decision.class), sourceId)
        .orElse(new Decision(sourceId, null));
  }

  /**
   * Notes that a first start has begun.
   *
   * @param slot the source's own, if it exists from now on; null while it is not
   */
  public void beginEpoch(Connection connection, String sourceId, long epoch, @Nullable String slot)
      throws SQLException {
    setEpoch(connection, sourceId, epoch, false, slot);
  }

  /**
   * Begins an epoch whose position is durable already. One statement: in between, this source would
   * look like one whose first start was cut short, and the next start would drop its slot. The slot
   * is the source's own from now on.
   */
  public void beginSeededEpoch(Connection connection, String sourceId, long epoch)
      throws SQLException {
    setEpoch(connection, sourceId, epoch, true, source.slot());
  }

  private void setEpoch(
      Connection connection, String sourceId, long epoch, boolean isSeeded, @Nullable String slot)
      throws SQLException {
    String sql =
        "UPDATE %s SET epoch = ?, seeded_at = CASE WHEN ? THEN now() END, slot = ? WHERE source = ?"
            .formatted(table);
    Sql.update(connection, sql, epoch, isSeeded, slot, sourceId);
  }

  /**
   * Refuses to write a backlog over that of a later first start or reconciliation.
   *
   * @param reader in auto-commit mode, so that it sees the turn as it is now
   * @throws AgentException.Retryable another one has begun since
   */
  public void requireTurn(Connection reader, String sourceId, Turn turn) throws SQLException {
    Turn now = find(reader, sourceId).orElse(Registration.NONE).turn();
    if (!now.equals(turn)) {
      throw new AgentException.Retryable(
          "another agent, or a reset, has begun epoch %d, reconciliation %d while this one prepared epoch %d, reconciliation %d"
              .formatted(now.epoch(), now.reconciliation(), turn.epoch(), turn.reconciliation()));
    }
  }

  /**
   * Notes which slot is the source's own.
   *
   * @param slot empty for none
   */
  public void noteSlot(Connection connection, String sourceId, String slot) throws SQLException {
    String sql = "UPDATE %s SET slot = ? WHERE source = ?".formatted(table);
    Sql.update(connection, sql, slot, sourceId);
  }

  /** Notes that the source's own slot is not there any more: whoever makes one now owns it. */
  public void forgetSlot(Connection connection, String sourceId, String slot) throws SQLException {
    String sql = "UPDATE %s SET slot = '' WHERE source = ? AND slot = ?".formatted(table);
    Sql.update(connection, sql, sourceId, slot);
  }

  /** What an operator says who knows that a slot is a source's own though nothing tells. */
  public String claim(String sourceId) {
    return "INSERT INTO %s (source, slot) VALUES (%s, %s) ON CONFLICT (source) DO UPDATE SET slot = EXCLUDED.slot"
        .formatted(table, Identifiers.literal(sourceId), Identifiers.literal(source.slot()));
  }

  /**
   * Makes the next start a first start again, which has nothing to reconcile; the epoch stays, so
   * that the next one is higher. No slot is its own then, and any broker will do. Whoever still
   * prepares a backlog loses its turn, and agents that stopped see that something was decided.
   */
  public void reset(Connection connection, String sourceId) throws SQLException {
    String sql =
        """
        UPDATE %s
        SET seeded_at = NULL, slot = '', broker = NULL, reconciliation = reconciliation + 1,
          reconcile_requested_at = NULL, reconcile_requested_by = NULL, reconcile_accepts = NULL
        WHERE source = ?
        """
            .formatted(table);
    Sql.update(connection, sql, sourceId);
  }

  /**
   * Notes that a position of the current epoch is durable, at which broker, and that it is read
   * from this slot.
   *
   * @param broker identifies the cluster; null where it does not say
   */
  public void markSeeded(Connection connection, String sourceId, @Nullable String broker)
      throws SQLException {
    String sql =
        """
        UPDATE %s SET seeded_at = coalesce(seeded_at, now()), broker = ?, slot = ?
        WHERE source = ? AND (seeded_at IS NULL OR broker IS DISTINCT FROM ? OR slot IS DISTINCT FROM ?)
        """
            .formatted(table);
    Sql.update(connection, sql, broker, source.slot(), sourceId, broker, source.slot());
  }

  /**
   * Leaves a sign of life and a message in the log, in one transaction. The message moves the slot
   * of an idle outbox on and comes back to us through the log. It also says which transactions had
   * ended and what the publication looked like, both seen by one snapshot taken before it: whoever
   * reads the message has read those transactions, and with that publication.
   *
   * <p>It does not wait for a synchronous standby: a sign of life that waits is none. A promotion
   * may then lose the last pulses, which at most makes a search of the topics begin earlier.
   *
   * @param content nonce and number
   */
  public Pulsed pulse(Connection connection, String sourceId, String holder, String content)
      throws SQLException {
    String sql =
        """
        WITH mark AS (%s), message AS (
          SELECT pg_logical_emit_message(true, ?,
                   ? || ':' || pg_snapshot_xmin(pg_current_snapshot()) || ':'
                     || coalesce((SELECT mark FROM mark), ?))
        ), log AS (
          SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int AS number
        ), durability AS MATERIALIZED (
          SELECT set_config('synchronous_commit', 'local', true) AS commit
        )
        UPDATE %s SET pulse = pulse + 1, pulsed_at = now(), holder = ?, timeline = log.number,
          branched_at = CASE WHEN timeline <> log.number THEN pulsed_at ELSE branched_at END
        FROM message, log, durability WHERE durability.commit = 'local' AND source = ?
        RETURNING paused_at, paused_by, paused_reason, pulse
        """
            .formatted(PublicationMark.sql(connection, source), table);
    List<Object> values = new ArrayList<>(List.of(PublicationMark.parameters(source)));
    values.addAll(List.of(PULSE_PREFIX, content, PublicationMark.NONE, holder, sourceId));
    return Sql.first(connection, sql, SourceRegistry::pulsed, values.toArray())
        .orElse(new Pulsed(LastPulse.NEVER.number(), Optional.empty()));
  }

  private static Pulsed pulsed(ResultSet row) throws SQLException {
    @Nullable Instant since = Sql.instant(row, "paused_at");
    return new Pulsed(
        row.getLong("pulse"),
        since == null
            ? Optional.empty()
            : Optional.of(
                new Pause(since, row.getString("paused_by"), row.getString("paused_reason"))));
  }

  /**
   * Asks every agent of the source to publish nothing until {@link #resume}; they see it with their
   * next pulse. The source must have a row. An earlier pause stays as it is.
   *
   * @return whether it was not paused already
   */
  public boolean pause(Connection connection, String sourceId, String by, String reason)
      throws SQLException {
    String sql =
        """
        UPDATE %s SET paused_at = now(), paused_by = ?, paused_reason = ?
        WHERE source = ? AND paused_at IS NULL
        """
            .formatted(table);
    return Sql.update(connection, sql, by, reason, sourceId) > 0;
  }

  /**
   * Ends a pause.
   *
   * @return whether there was one
   */
  public boolean resume(Connection connection, String sourceId) throws SQLException {
    String sql =
        """
        UPDATE %s SET paused_at = NULL, paused_by = NULL, paused_reason = NULL
        WHERE source = ? AND paused_at IS NOT NULL
        """
            .formatted(table);
    return Sql.update(connection, sql, sourceId) > 0;
  }

  /**
   * A source that has published from this schema under a name that no database or publication has
   * any more. Whether it is the one that looks or that of another table, the name does not tell.
   *
   * @param isNamedAlike only the database has another name; publications of one database differ
   */
  public record Nameless(String source, boolean isNamedAlike) {}

  /** Those of this server other than the one given. */
  public List<Nameless> nameless(Connection connection, SourceIdentity identity)
      throws SQLException {
    String sql =
        """
        SELECT source, is_database_gone AND publication = ? AS is_named_alike FROM (
          SELECT source, substring(source from '[^/]*$') AS publication,
                 substring(source from '^[^/]*/(.*)/[^/]*$') = current_database() AS is_here,
                 NOT EXISTS (SELECT FROM pg_database d
                   WHERE d.datname = substring(source from '^[^/]*/(.*)/[^/]*$'))
                   AS is_database_gone
          FROM %s WHERE seeded_at IS NOT NULL AND split_part(source, '/', 1) = ? AND source <> ?) s
        WHERE is_database_gone
           OR is_here AND NOT EXISTS (SELECT FROM pg_publication p WHERE p.pubname = s.publication)
        ORDER BY source
        """
            .formatted(table);
    return CatalogQuery.list(
        connection,
        sql,
        Sql.as(Nameless.class),
        identity.publication(),
        identity.systemId(),
        identity.id());
  }

  /** How long ago somebody last pulsed, by the database's clock alone; empty if nobody ever did. */
  public Optional<Duration> sincePulse(Connection connection, String sourceId) throws SQLException {
    String sql =
        """
        SELECT extract(epoch FROM clock_timestamp() - pulsed_at) * 1000 FROM %s
        WHERE source = ? AND pulsed_at IS NOT NULL
        """
            .formatted(table);
    return Sql.first(connection, sql, row -> Duration.ofMillis((long) row.getDouble(1)), sourceId);
  }

  /**
   * Reads the leader's sign of life.
   *
   * <p>Compare it with itself over time on one's own clock; clocks of two hosts do not compare.
   */
  public LastPulse lastPulse(Connection connection, String sourceId) throws SQLException {
    String sql =
        "SELECT pulse AS number, coalesce(holder, '') AS holder FROM %s WHERE source = ?"
            .formatted(table);
    return Sql.first(connection, sql, Sql.as(LastPulse.class), sourceId).orElse(LastPulse.NEVER);
  }
}
