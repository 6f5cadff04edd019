package io.outboxinbox.agent.park;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * The keys of which an event is parked, so that later ones have to wait behind it. Not thread-safe.
 *
 * <p>Keys are kept as the first 128 bits of their SHA-256, in open addressing: 16 bytes a slot
 * whatever the length of the key, 64 MiB for two million keys. Two keys that met in 128 bits would
 * be taken for one: whichever left first would let events of the other overtake. With 64 bits a
 * tenant could look for such a pair; with 128 nobody finds one, by chance or by trying, so no look
 * into the database has to confirm a hit. The hash costs half a microsecond, and only while
 * something is parked.
 */
public final class HeldKeys {
  /** More keys than this say that something is wrong with all of them; the pipeline waits then. */
  public static final int KEYS_MAX = 1 << 21;

  private static final int SLOTS_MIN = 1 << 10;

  private final MessageDigest digest;

  /** Two longs a slot; both zero is an empty one. */
  private long[] slots = new long[2 * SLOTS_MIN];

  private int size;
  private long high;
  private long low;

  public HeldKeys() {
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }

  public boolean isEmpty() {
    return size == 0;
  }

  public boolean isFull() {
    return size >= KEYS_MAX;
  }

  public int size() {
    return size;
  }

  public boolean contains(String key) {
    if (size == 0) {
      return false;
    }
    hash(key);
    return !isEmpty(find());
  }

  /** Adds a key; does nothing when it is there. */
  public void add(String key) {
    hash(key);
    int slot = find();
    if (!isEmpty(slot)) {
      return;
    }
    // Two thirds full: chains stay short.
    if (3 * (size + 1) > slots.length) {
      grow();
      slot = find();
    }
    slots[slot] = high;
    slots[slot + 1] = low;
    size++;
  }

  /** Removes a key; does nothing when it is not there. */
  public void remove(String key) {
    hash(key);
    int gap = find();
    if (isEmpty(gap)) {
      return;
    }
    size--;
    // What was pushed along by the removed one moves back, or it would not be found any more.
    int at = gap;
    while (true) {
      at = next(at);
      if (isEmpty(at)) {
        break;
      }
      int home = home(slots[at + 1]);
      boolean mayMove = gap <= at ? home <= gap || home > at : home <= gap && home > at;
      if (mayMove) {
        slots[gap] = slots[at];
        slots[gap + 1] = slots[at + 1];
        gap = at;
      }
    }
    slots[gap] = 0;
    slots[gap + 1] = 0;
  }

  private void hash(String key) {
    ByteBuffer hash = ByteBuffer.wrap(digest.digest(key.getBytes(StandardCharsets.UTF_8)));
    high = hash.getLong();
    low = hash.getLong();
    if (high == 0 && low == 0) {
      low = 1;
    }
  }

  /** The slot the key is in, or the empty one it would go to. */
  private int find() {
    int slot = home(low);
    while (!isEmpty(slot) && (slots[slot] != high || slots[slot + 1] != low)) {
      slot = next(slot);
    }
    return slot;
  }

  private int home(long lowBits) {
    return (int) (lowBits & (slots.length / 2 - 1)) * 2;
  }

  private int next(int slot) {
    return (slot + 2) & (slots.length - 1);
  }

  private boolean isEmpty(int slot) {
    return slots[slot] == 0 && slots[slot + 1] == 0;
  }

  private void grow() {
    long[] before = slots;
    long keptHigh = high;
    long keptLow = low;
    slots = new long[before.length * 2];
    for (int i = 0; i < before.length; i += 2) {
      if (before[i] != 0 || before[i + 1] != 0) {
        high = before[i];
        low = before[i + 1];
        int slot = find();
        slots[slot] = high;
        slots[slot + 1] = low;
      }
    }
    high = keptHigh;
    low = keptLow;
  }
}
