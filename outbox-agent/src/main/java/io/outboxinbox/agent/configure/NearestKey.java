package io.outboxinbox.agent.configure;

import io.outboxinbox.agent.event.Nearest;
import java.util.Collection;

/** Says which key somebody may have meant. */
final class NearestKey {
  private NearestKey() {}

  /** What to tell somebody who wrote {@code word} where only {@code valid} words may stand. */
  static String hint(String word, Collection<String> valid) {
    return Nearest.of(word, valid)
        .map(nearest -> "did you mean " + nearest + "?")
        .orElseGet(() -> "valid keys: " + String.join(", ", valid.stream().sorted().toList()));
  }
}
