package io.outboxinbox.agent.park;

import io.outboxinbox.agent.event.KeyHash;
import java.util.HashSet;
import java.util.Set;

/**
 * The keys of which an event is parked, so that later ones have to wait behind it. Not thread-safe.
 */
public final class HeldKeys {
  /**
   * More keys than this say that something is wrong with all of them; the pipeline waits then. They
   * take about 140 MiB, and the flood breaker keeps them from coming at once.
   */
  public static final int KEYS_MAX = 1 << 21;

  private final Set<KeyHash> keys = new HashSet<>();

  /** Those of them whose first event is not covered by the position yet. */
  private final Set<String> uncovered = new HashSet<>();

  public boolean isEmpty() {
    return keys.isEmpty();
  }

  public boolean isFull() {
    return keys.size() >= KEYS_MAX;
  }

  public int size() {
    return keys.size();
  }

  public boolean contains(String key) {
    // Usually nothing is parked, and then no key is hashed.
    return !keys.isEmpty() && keys.contains(KeyHash.of(key));
  }

  /** Adds a key; does nothing when it is there. */
  public void add(String key) {
    keys.add(KeyHash.of(key));
  }

  /** The same for one whose first event is still to be written down. */
  public void addUncovered(String key) {
    if (keys.add(KeyHash.of(key))) {
      uncovered.add(key);
    }
  }

  /** Takes note that the position covers the first event of a key. */
  public void cover(String key) {
    uncovered.remove(key);
  }

  /** Whether a key is held by an event that the position covers. */
  public boolean isCovered(String key) {
    return contains(key) && !uncovered.contains(key);
  }

  /** Removes a key; does nothing when it is not there. */
  public void remove(String key) {
    uncovered.remove(key);
    keys.remove(KeyHash.of(key));
  }
}
