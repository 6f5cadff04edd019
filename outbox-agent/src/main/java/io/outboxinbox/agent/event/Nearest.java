package io.outboxinbox.agent.event;

import java.util.Collection;
import java.util.Comparator;
import java.util.Locale;
import java.util.Optional;
import org.apache.commons.text.similarity.LevenshteinDistance;

/** Guesses which of the words that are possible somebody meant. Any thread may ask. */
public final class Nearest {
  private static final LevenshteinDistance DISTANCE = LevenshteinDistance.getDefaultInstance();

  private Nearest() {}

  /**
   * The candidate fewest edits away. Two cover a swapped pair; longer words earn one more per three
   * letters.
   */
  public static Optional<String> of(String word, Collection<String> candidates) {
    int limit = Math.max(2, word.length() / 3);
    return candidates.stream()
        .filter(candidate -> distance(word, candidate) <= limit)
        .min(
            Comparator.comparingInt((String candidate) -> distance(word, candidate))
                .thenComparing(candidate -> candidate));
  }

  /** The same as half a sentence to append; empty without one that is near. */
  public static String hint(String word, Collection<String> candidates) {
    return of(word, candidates).map(" (did you mean %s?)"::formatted).orElse("");
  }

  private static int distance(String left, String right) {
    return DISTANCE.apply(left.toLowerCase(Locale.ROOT), right.toLowerCase(Locale.ROOT));
  }
}
