package io.outboxinbox.agent.capture;

import java.util.Collection;
import java.util.Comparator;
import java.util.Optional;

/** Guesses what somebody meant to write. */
final class NearestName {
  private NearestName() {}

  /** The candidate fewest edits away, if a third of the name or less would change. */
  static Optional<String> of(String name, Collection<String> candidates) {
    int editsMax = Math.max(1, name.length() / 3);
    return candidates.stream()
        .filter(candidate -> edits(name, candidate) <= editsMax)
        .min(Comparator.comparingInt(candidate -> edits(name, candidate)));
  }

  /** A half sentence to append, empty without a near name. */
  static String hint(String name, Collection<String> candidates) {
    return of(name, candidates).map(nearest -> " (did you mean " + nearest + "?)").orElse("");
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
