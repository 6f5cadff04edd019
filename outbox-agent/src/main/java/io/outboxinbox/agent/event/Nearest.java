package io.outboxinbox.agent.event;

import java.util.Collection;
import java.util.Comparator;
import java.util.Optional;

/** Guesses which of the words that are possible somebody meant. Any thread may ask. */
public final class Nearest {
  private Nearest() {}

  /** The candidate fewest edits away, if a third of the word or less would change. */
  public static Optional<String> of(String word, Collection<String> candidates) {
    int editsMax = Math.max(1, word.length() / 3);
    return candidates.stream()
        .filter(candidate -> edits(word, candidate) <= editsMax)
        .min(
            Comparator.comparingInt((String candidate) -> edits(word, candidate))
                .thenComparing(candidate -> candidate));
  }

  private static int edits(String a, String b) {
    int[] above = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      above[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = above[0];
      above[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = above[j];
        above[j] = Math.min(replaced, Math.min(above[j], above[j - 1]) + 1);
      }
    }
    return above[b.length()];
  }
}
