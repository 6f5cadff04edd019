package io.outboxinbox.agent.reconcile;

import io.outboxinbox.agent.event.KeyHash;
import java.util.HashMap;
import java.util.Map;

/** The highest ordinal of each key of each topic. */
final class LatestOfKeys {
  /** About 100 MiB. A guess: a compacted topic with more keys than this is rare. */
  private static final int KEYS_MAX = 1 << 20;

  private final Map<KeyHash, Long> ordinals = new HashMap<>();
  private final int keysMax;
  private boolean isOverfull;

  LatestOfKeys() {
    this(KEYS_MAX);
  }

  LatestOfKeys(int keysMax) {
    this.keysMax = keysMax;
  }

  boolean isEmpty() {
    return ordinals.isEmpty();
  }

  /** Whether a key was left out for want of room. */
  boolean isOverfull() {
    return isOverfull;
  }

  /** Notes an ordinal, which is positive; a lower one than before changes nothing. */
  void put(String topic, byte[] key, long ordinal) {
    KeyHash hash = KeyHash.of(topic, key);
    if (ordinals.size() < keysMax || ordinals.containsKey(hash)) {
      ordinals.merge(hash, ordinal, Math::max);
    } else {
      isOverfull = true;
    }
  }

  /** The highest ordinal noted; 0 if there is none. */
  long get(String topic, byte[] key) {
    return ordinals.getOrDefault(KeyHash.of(topic, key), 0L);
  }
}
