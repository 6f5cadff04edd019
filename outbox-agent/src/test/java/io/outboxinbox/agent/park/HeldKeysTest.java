package io.outboxinbox.agent.park;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class HeldKeysTest {
  @Test
  void holdsWhatASetWouldHoldThroughAnyOrderOfAddsAndRemoves() {
    long seed = System.nanoTime();
    System.out.println("HeldKeysTest seed " + seed);
    Random random = new Random(seed);
    HeldKeys held = new HeldKeys();
    Set<String> expected = new HashSet<>();
    for (int step = 0; step < 200_000; step++) {
      String key = "key-" + random.nextInt(3000);
      // Fuller at first, emptier later, so that it grows and chains are taken apart again.
      if (random.nextInt(100) < (step < 100_000 ? 60 : 40)) {
        held.add(key);
        expected.add(key);
      } else {
        held.remove(key);
        expected.remove(key);
      }
      String asked = "key-" + random.nextInt(3000);
      assertThat(held.contains(asked))
          .as("seed %d step %d", seed, step)
          .isEqualTo(expected.contains(asked));
    }
    assertThat(held.size()).isEqualTo(expected.size());
    for (int i = 0; i < 3000; i++) {
      assertThat(held.contains("key-" + i)).isEqualTo(expected.contains("key-" + i));
    }
  }

  @Test
  void holdsAMillionLongKeys() {
    HeldKeys held = new HeldKeys();
    for (int i = 0; i < 1_000_000; i++) {
      held.add("a-rather-long-key-as-applications-have-them-" + i);
    }
    assertThat(held.size()).isEqualTo(1_000_000);
    assertThat(held.contains("a-rather-long-key-as-applications-have-them-999999")).isTrue();
    assertThat(held.contains("another")).isFalse();
  }
}
