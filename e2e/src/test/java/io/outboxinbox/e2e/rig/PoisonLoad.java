package io.outboxinbox.e2e.rig;

import java.nio.charset.StandardCharsets;
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
 * Writes events at a steady rate on one connection, with poison among them, and knows what must
 * come out where and in which order. One thread uses it.
 */
public final class PoisonLoad implements AutoCloseable {

  /** What is wrong with an event. */
  public enum Poison {
    /** Larger than its topic takes. */
    LARGE_PAYLOAD,
    /** For a topic that is allowed and does not exist. */
    UNKNOWN_TOPIC,
    /** For a topic the configuration does not allow. */
    FORBIDDEN_TOPIC,
    /** A header whose name no broker-independent consumer could read. */
    BAD_HEADERS,
    /** A header larger than the agent sends. */
    LARGE_HEADER
  }

  /** Allowed by the configuration, and created only after the events. */
  public static final String LATE_TOPIC = "late";

  public static final String FORBIDDEN_TOPIC = "forbidden";

  private static final int KEYS = 1_000;

  /** Only these have poison; 950 others must not notice. */
  private static final int POISONED_KEYS = 50;

  private static final int ROWS = 5;
  private static final int LARGE_PAYLOAD_BYTES = 10 * 1024 * 1024;
  private static final int LARGE_HEADER_BYTES = 40 * 1024;
  private static final String GOOD_PAYLOAD = "{\"good\":\"" + "x".repeat(280) + "\"}";
  private static final String LARGE_PAYLOAD = "{\"x\":\"" + "x".repeat(LARGE_PAYLOAD_BYTES) + "\"}";
  private static final String LARGE_HEADER =
      "{\"note\":\"" + "x".repeat(LARGE_HEADER_BYTES) + "\"}";

  private static final String INSERT =
      """
      INSERT INTO outbox_event (id, aggregate_type, aggregate_id, event_type, payload, headers, topic)
      VALUES (?, 'account', ?, 'Moved', ?::json, ?::jsonb, ?)
      """;

  private record Row(UUID id, String key, @Nullable Poison poison) {
    String topic() {
      return poison == Poison.UNKNOWN_TOPIC ? LATE_TOPIC : Stage.TOPIC;
    }
  }

  private final Connection connection;
  private final SplittableRandom random;
  private final Map<String, List<UUID>> expected = new TreeMap<>();
  private final Map<UUID, Long> committedNanos = new HashMap<>();
  private long written;
  private int poisoned;

  /** Connects; the table's own limits, which are to refuse such rows, must be gone. */
  public PoisonLoad(SourceDatabase database, long seed) throws SQLException {
    this.connection = database.connect();
    this.connection.setAutoCommit(false);
    this.random = new SplittableRandom(seed);
  }

  /**
   * Writes for a while.
   *
   * @param poisonEvents spread evenly over all; their kinds take turns
   */
  public void run(Duration duration, int eventsPerSecond, int poisonEvents) throws SQLException {
    long batches = Math.max(1, duration.toSeconds() * eventsPerSecond / ROWS);
    long nanosPerBatch = duration.toNanos() / batches;
    long start = System.nanoTime();
    int poisonedBefore = poisoned;
    for (long batch = 0; batch < batches; batch++) {
      LockSupport.parkNanos(start + batch * nanosPerBatch - System.nanoTime());
      boolean isDue = poisoned - poisonedBefore < poisonEvents * (batch + 1) / batches;
      write(isDue ? Poison.values()[poisoned++ % Poison.values().length] : null);
    }
  }

  private void write(@Nullable Poison poison) throws SQLException {
    List<Row> rows = new ArrayList<>();
    if (poison != null) {
      rows.add(new Row(Uuid7.next(random), key(random.nextInt(POISONED_KEYS)), poison));
    }
    while (rows.size() < ROWS) {
      rows.add(new Row(Uuid7.next(random), key(random.nextInt(KEYS)), null));
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
      if (!isPoisoned(row.key())) {
        committedNanos.put(row.id(), now);
      }
    }
    written += rows.size();
  }

  private static void bind(PreparedStatement insert, Row row) throws SQLException {
    Poison poison = row.poison();
    insert.setObject(1, row.id());
    insert.setString(2, row.key());
    insert.setString(3, poison == Poison.LARGE_PAYLOAD ? LARGE_PAYLOAD : GOOD_PAYLOAD);
    insert.setString(
        4,
        poison == Poison.BAD_HEADERS
            ? "{\"no name\":\"x\"}"
            : poison == Poison.LARGE_HEADER ? LARGE_HEADER : "{}");
    insert.setString(
        5,
        poison == Poison.UNKNOWN_TOPIC
            ? LATE_TOPIC
            : poison == Poison.FORBIDDEN_TOPIC ? FORBIDDEN_TOPIC : null);
  }

  private static String key(int number) {
    return String.format(Locale.ROOT, "k%04d", number);
  }

  private static boolean isPoisoned(String key) {
    return key.compareTo(key(POISONED_KEYS)) < 0;
  }

  /** How many events were committed, poison included. */
  public long written() {
    return written;
  }

  /** How many of them are poison. */
  public int poisoned() {
    return poisoned;
  }

  /** How many events have a key that never had poison. */
  public int untouched() {
    return committedNanos.size();
  }

  /** Ids in commit order, by topic and key. */
  public Map<String, List<UUID>> expected() {
    return expected;
  }

  /** What readers of these topics got, in the same form. */
  public static Map<String, List<UUID>> arrived(Map<String, Reader> readers) {
    Map<String, List<UUID>> arrived = new TreeMap<>();
    readers.forEach(
        (topic, reader) -> {
          for (Published message : reader.published()) {
            arrived
                .computeIfAbsent(topic + " " + message.key(), key -> new ArrayList<>())
                .add(message.id());
          }
        });
    return arrived;
  }

  /** Forgets when what was written so far was committed, such as a warm-up. */
  public void forgetTimes() {
    committedNanos.clear();
  }

  /**
   * From commit to arrival, of events of keys without poison.
   *
   * @return sorted
   */
  public List<Duration> latencies(Reader reader) {
    List<Duration> latencies = new ArrayList<>();
    for (Published message : reader.published()) {
      Long committed = committedNanos.get(message.id());
      if (committed != null) {
        latencies.add(Duration.ofNanos(message.arrivedNanos() - committed));
      }
    }
    latencies.sort(null);
    return latencies;
  }

  /** The large payload's size, for limits that are to be raised. */
  public static int largestBytes() {
    return LARGE_PAYLOAD.getBytes(StandardCharsets.UTF_8).length;
  }

  @Override
  public void close() throws SQLException {
    connection.close();
  }
}
