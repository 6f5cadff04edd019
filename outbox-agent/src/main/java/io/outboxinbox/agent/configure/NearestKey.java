package io.outboxinbox.agent.configure;

import java.util.Collection;
import java.util.Comparator;
import java.util.Locale;
import java.util.Optional;
import org.apache.commons.text.similarity.LevenshteinDistance;

/** Guesses what a misspelt word was meant to be. */
final class NearestKey {
  private static final LevenshteinDistance DISTANCE = LevenshteinDistance.getDefaultInstance();

  private NearestKey() {}

  /** What to tell somebody who wrote {@code word} where only {@code valid} words may stand. */
  static String hint(String word, Collection<String> valid) {
    return find(word, valid)
        .map(nearest -> "did you mean " + nearest + "?")
        .orElseGet(() -> "valid keys: " + String.join(", ", valid.stream().sorted().toList()));
  }

  private static Optional<String> find(String word, Collection<String> valid) {
    // Two edits cover a swapped pair; longer names earn one more per three letters.
    int limit = Math.max(2, word.length() / 3);
    return valid.stream()
        .filter(key -> distance(word, key) <= limit)
        .min(
            Comparator.comparingInt((String key) -> distance(word, key)).thenComparing(key -> key));
  }

  private static int distance(String left, String right) {
    return DISTANCE.apply(left.toLowerCase(Locale.ROOT), right.toLowerCase(Locale.ROOT));
  }
}
