package io.outboxinbox.agent.reconcile;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * The highest ordinal of each key of each topic. Keys are kept as 128 bits of their SHA-256 in open
 * addressing, 24 bytes a slot whatever their length: a few million keys must fit into the heap.
 */
final class LatestOfKeys {
  private static final int SLOTS_MIN = 1 << 10;

  /** 48 MiB at most. A guess: a compacted topic with more keys than this is rare. */
  private static final int KEYS_MAX = 1 << 20;

  private static final int WIDTH = 3;

  private final MessageDigest digest;
  private final int keysMax;
  private long[] slots = new long[WIDTH * SLOTS_MIN];
  private int size;
  private boolean isOverfull;

  LatestOfKeys() {
    this(KEYS_MAX);
  }

  LatestOfKeys(int keysMax) {
    this.keysMax = keysMax;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }

  boolean isEmpty() {
    return size == 0;
  }

  /** Whether a key was left out for want of room. */
  boolean isOverfull() {
    return isOverfull;
  }

  /** Notes an ordinal, which is positive; a lower one than before changes nothing. */
  void put(String topic, byte[] key, long ordinal) {
    ByteBuffer hash = hash(topic, key);
    long high = hash.getLong();
    long low = hash.getLong();
    int slot = find(slots, high, low);
    if (slots[slot + 2] == 0) {
      if (size == keysMax) {
        isOverfull = true;
        return;
      }
      if (2 * WIDTH * (size + 1) > slots.length) {
        grow();
        slot = find(slots, high, low);
      }
      slots[slot] = high;
      slots[slot + 1] = low;
      size++;
    }
    slots[slot + 2] = Math.max(slots[slot + 2], ordinal);
  }

  /** The highest ordinal noted; 0 if there is none. */
  long get(String topic, byte[] key) {
    ByteBuffer hash = hash(topic, key);
    return slots[find(slots, hash.getLong(), hash.getLong()) + 2];
  }

  private ByteBuffer hash(String topic, byte[] key) {
    digest.update(topic.getBytes(StandardCharsets.UTF_8));
    // No topic's name has it, so no two pairs run together.
    digest.update((byte) '/');
    return ByteBuffer.wrap(digest.digest(key));
  }

  /** The slot of a key, or the empty one it would go to; one without an ordinal is empty. */
  private static int find(long[] slots, long high, long low) {
    int count = slots.length / WIDTH;
    int slot = (int) (low & (count - 1)) * WIDTH;
    while (slots[slot + 2] != 0 && (slots[slot] != high || slots[slot + 1] != low)) {
      slot = (slot + WIDTH) % slots.length;
    }
    return slot;
  }

  private void grow() {
    long[] larger = new long[2 * slots.length];
    for (int i = 0; i < slots.length; i += WIDTH) {
      if (slots[i + 2] != 0) {
        System.arraycopy(slots, i, larger, find(larger, slots[i], slots[i + 1]), WIDTH);
      }
    }
    slots = larger;
  }
}
