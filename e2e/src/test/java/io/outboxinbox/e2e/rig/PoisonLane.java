package io.outboxinbox.e2e.rig;

import io.outboxinbox.e2e.rig.PoisonLoad.Poison;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * One session that writes events of its own keys at a steady rate. One thread writes; what it wrote
 * is read afterwards.
 */
final class PoisonLane implements AutoCloseable {
  private static final List<Poison> KINDS = List.of(Poison.values());
  private static final int ROWS = 5;
  private static final int LARGE_HEADER_BYTES = 40 * 1024;
  private static final String GOOD_PAYLOAD = "{\"good\":\"" + "x".repeat(280) + "\"}";
  private static final String LARGE_HEADER =
      "{\"note\":\"" + "x".repeat(LARGE_HEADER_BYTES) + "\"}";

  private static final String INSERT =
      """
      INSERT INTO outbox_event (id, aggregate_type, aggregate_id, event_type, payload, headers, topic)
      VALUES (?, 'account', ?, 'Moved', ?::json, ?::jsonb, ?)
      """;

  private record Row(UUID id, String key, @Nullable Poison poison) {
    String topic() {
      return poison == Poison.UNKNOWN_TOPIC ? PoisonLoad.LATE_TOPIC : Stage.TOPIC;
    }
  }

  private final Connection connection;
  private final SplittableRandom random;
  private final int firstKey;
  private final int keys;
  private final Map<String, List<UUID>> expected = new TreeMap<>();
  private final Map<UUID, Long> committedNanos = new HashMap<>();
  private int poisoned;

  PoisonLane(Connection connection, SplittableRandom random, int firstKey, int keys)
      throws SQLException {
    this.connection = connection;
    this.connection.setAutoCommit(false);
    this.random = random;
    this.firstKey = firstKey;
    this.keys = keys;
  }

  /**
   * Writes for a while.
   *
   * @param poisonEvents spread evenly over all; their kinds take turns
   */
  void run(Duration duration, int eventsPerSecond, int poisonEvents) throws SQLException {
    long batches = Math.max(1, duration.toSeconds() * eventsPerSecond / ROWS);
    long nanosPerBatch = duration.toNanos() / batches;
    long start = System.nanoTime();
    int poisonedBefore = poisoned;
    for (long batch = 0; batch < batches; batch++) {
      LockSupport.parkNanos(start + batch * nanosPerBatch - System.nanoTime());
      boolean isDue = poisoned - poisonedBefore < poisonEvents * (batch + 1) / batches;
      write(isDue ? KINDS.get(poisoned++ % KINDS.size()) : null);
    }
  }

  private void write(@Nullable Poison poison) throws SQLException {
    List<Row> rows = new ArrayList<>();
    for (int i = 0; i < ROWS; i++) {
      String key = String.format(Locale.ROOT, "k%04d", firstKey + random.nextInt(keys));
      rows.add(new Row(Uuid7.next(random), key, i == 0 ? poison : null));
    }
    try (PreparedStatement insert = connection.prepareStatement(INSERT)) {
      for (Row row : rows) {
        bind(insert, row);
        insert.addBatch();
      }
      insert.executeBatch();
    }
    connection.commit();
    long now = System.nanoTime();
    for (Row row : rows) {
      expected
          .computeIfAbsent(row.topic() + " " + row.key(), key -> new ArrayList<>())
          .add(row.id());
      committedNanos.put(row.id(), now);
    }
  }

  private static void bind(PreparedStatement insert, Row row) throws SQLException {
    Poison poison = row.poison();
    insert.setObject(1, row.id());
    insert.setString(2, row.key());
    insert.setString(3, poison == Poison.LARGE_PAYLOAD ? PoisonLoad.LARGE_PAYLOAD : GOOD_PAYLOAD);
    insert.setString(
        4,
        poison == Poison.BAD_HEADERS
            ? "{\"no name\":\"x\"}"
            : poison == Poison.LARGE_HEADER ? LARGE_HEADER : "{}");
    insert.setString(
        5,
        poison == Poison.UNKNOWN_TOPIC
            ? PoisonLoad.LATE_TOPIC
            : poison == Poison.FORBIDDEN_TOPIC ? PoisonLoad.FORBIDDEN_TOPIC : null);
  }

  int poisoned() {
    return poisoned;
  }

  /** Ids in commit order, by topic and key. */
  Map<String, List<UUID>> expected() {
    return expected;
  }

  /** When each event's transaction was known to be committed, by the monotonic clock. */
  Map<UUID, Long> committedNanos() {
    return committedNanos;
  }

  @Override
  public void close() throws SQLException {
    connection.close();
  }
}
