package io.outboxinbox.agent.source.table;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.AgentException.Retryable.Side;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.CheckpointCodec;
import io.outboxinbox.agent.event.Positions;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.source.ConnectionFailure;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.ServerMessage;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.Sql;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Table {@code outbox_agent_position}: checkpoints of brokers that cannot remember them. Whoever
 * takes a source over raises its turn, and only who has the last turn can write: what an earlier
 * leader sends late changes nothing.
 */
public final class TablePositions implements Positions {
  private static final Logger LOG = LoggerFactory.getLogger(TablePositions.class);

  /** Of a source that was never taken over here. */
  private static final long NO_TURN = -1;

  /**
   * Flushed here, but no synchronous standby is waited for, as for the pulse: while one is away the
   * same events would come again and again.
   */
  private static final String DURABILITY =
      """
      durability AS MATERIALIZED (
        SELECT set_config('synchronous_commit', 'local', true) AS commit)
      """;

  private final Connection connection;
  private final SourceConfiguration configuration;
  private final String table;
  private final Map<String, Long> turns = new HashMap<>();

  /**
   * Reads and writes on one session.
   *
   * @param connection the leader's where a source is to be taken over; in auto-commit mode
   * @param source in whose schema the agent's tables are
   */
  public TablePositions(Connection connection, SourceConfiguration source) {
    this.connection = connection;
    this.configuration = source;
    this.table = Identifiers.qualified(source.schema(), "outbox_agent_position");
  }

  @Override
  public Optional<Checkpoint> takeOver(SourceIdentity source) {
    return Optional.ofNullable(raiseTurn(source)).map(TablePositions::read);
  }

  private @Nullable String raiseTurn(SourceIdentity source) {
    // Waits for a write that has begun, and makes those that come later find another turn.
    String sql =
        """
        WITH %s
        INSERT INTO %s AS position (source, turn)
        SELECT ?, 1 FROM durability WHERE durability.commit = 'local'
        ON CONFLICT (source) DO UPDATE SET turn = position.turn + 1
        RETURNING turn, checkpoint
        """
            .formatted(DURABILITY, table);
    try {
      return Sql.<@Nullable String>one(
          connection,
          sql,
          row -> {
            turns.put(source.id(), row.getLong(1));
            return row.getString(2);
          },
          source.id());
    } catch (SQLException e) {
      throw failed("taking over " + source.id(), e);
    }
  }

  @Override
  public List<Checkpoint> allCheckpoints() {
    String sql = "SELECT checkpoint FROM %s WHERE checkpoint IS NOT NULL".formatted(table);
    List<Checkpoint> checkpoints = new ArrayList<>();
    try {
      for (String checkpoint : Sql.list(connection, sql, row -> row.getString(1))) {
        try {
          checkpoints.add(read(checkpoint));
        } catch (AgentException.Fatal e) {
          // Another source's, perhaps of a newer agent: no reason for this one not to start.
          LOG.warn("table {}: {}", table, e.getMessage());
        }
      }
      return checkpoints;
    } catch (SQLException e) {
      throw failed("reading positions", e);
    }
  }

  @Override
  public void write(Checkpoint checkpoint) {
    put(
        checkpoint.source(),
        new String(CheckpointCodec.encode(checkpoint), StandardCharsets.UTF_8));
  }

  @Override
  public void forget(SourceIdentity source) {
    if (!turns.containsKey(source.id())) {
      raiseTurn(source);
    }
    put(source, null);
  }

  private void put(SourceIdentity source, @Nullable String checkpoint) {
    String sql =
        """
        WITH %s
        UPDATE %s SET checkpoint = ?, written_at = clock_timestamp()
        FROM durability WHERE durability.commit = 'local' AND source = ? AND turn = ?
        """
            .formatted(DURABILITY, table);
    long turn = turns.getOrDefault(source.id(), NO_TURN);
    try {
      if (Sql.update(connection, sql, checkpoint, source.id(), turn) != 1) {
        throw new AgentException.Retryable(
            "the position of %s is another agent's now".formatted(source.id()));
      }
    } catch (SQLException e) {
      throw failed("writing the position of " + source.id(), e);
    }
  }

  private static Checkpoint read(String checkpoint) {
    return CheckpointCodec.decode(checkpoint.getBytes(StandardCharsets.UTF_8));
  }

  private AgentException failed(String doing, SQLException e) {
    if (ConnectionFailure.isRefusal(e)) {
      AgentException refused =
          new AgentException.Misconfigured(
              "table %s: %s failed: %s".formatted(table, doing, ServerMessage.of(e, configuration)),
              "apply schema/postgresql/04_agent.sql and 05_roles.sql again");
      refused.addSuppressed(e);
      return refused;
    }
    return new AgentException.Retryable(
        Side.DATABASE,
        "table %s: %s failed: %s".formatted(table, doing, ServerMessage.of(e, configuration)),
        e);
  }
}
