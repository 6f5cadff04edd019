package io.outboxinbox.e2e.rig;

import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Writes events at a steady rate, with poison among them, and knows what must come out where and in
 * which order. Keys with poison have a session of their own, so that 10 MB do not hold up the rate
 * of the others. One thread uses it.
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

  /** Only these have poison; the others must not notice. */
  private static final int POISONED_KEYS = 50;

  private static final int LARGE_PAYLOAD_BYTES = 10 * 1024 * 1024;

  static final String LARGE_PAYLOAD = "{\"x\":\"" + "x".repeat(LARGE_PAYLOAD_BYTES) + "\"}";

  private final PoisonLane poisonedKeys;
  private final PoisonLane otherKeys;

  /** Connects; the table's own limits, which are to refuse such rows, must be gone. */
  public PoisonLoad(SourceDatabase database, long seed) throws SQLException {
    SplittableRandom random = new SplittableRandom(seed);
    this.poisonedKeys = new PoisonLane(database.connect(), random.split(), 0, POISONED_KEYS);
    this.otherKeys =
        new PoisonLane(database.connect(), random.split(), POISONED_KEYS, KEYS - POISONED_KEYS);
  }

  /**
   * Writes for a while; all keys have the same share of the events.
   *
   * @param poisonEvents spread evenly over all; their kinds take turns
   */
  public void run(Duration duration, int eventsPerSecond, int poisonEvents) throws Exception {
    int perSecondPoisoned = eventsPerSecond * POISONED_KEYS / KEYS;
    ExecutorService thread = Executors.newSingleThreadExecutor();
    try {
      Future<?> poisoning =
          thread.submit(
              () -> {
                poisonedKeys.run(duration, perSecondPoisoned, poisonEvents);
                return null;
              });
      otherKeys.run(duration, eventsPerSecond - perSecondPoisoned, 0);
      poisoning.get();
    } finally {
      thread.shutdownNow();
    }
  }

  /** How many events were committed, poison included. */
  public long written() {
    return expected().values().stream().mapToLong(List::size).sum();
  }

  /** How many of them are poison. */
  public int poisoned() {
    return poisonedKeys.poisoned();
  }

  /** How many events have a key that never had poison. */
  public int untouched() {
    return otherKeys.committedNanos().size();
  }

  /** Ids in commit order, by topic and key. */
  public Map<String, List<UUID>> expected() {
    Map<String, List<UUID>> expected = new TreeMap<>(poisonedKeys.expected());
    expected.putAll(otherKeys.expected());
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
    otherKeys.committedNanos().clear();
  }

  /**
   * From commit to arrival, of events of keys without poison.
   *
   * @return sorted
   */
  public List<Duration> latencies(Reader reader) {
    List<Duration> latencies = new ArrayList<>();
    for (Published message : reader.published()) {
      Long committed = otherKeys.committedNanos().get(message.id());
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
    try (poisonedKeys) {
      otherKeys.close();
    }
  }
}
