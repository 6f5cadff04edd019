package io.outboxinbox.agent.source.inspect;

import io.outboxinbox.agent.event.Nearest;
import java.util.Collection;

/** Guesses what somebody meant to write. */
final class NearestName {
  private NearestName() {}

  /** A half sentence to append, empty without a near name. */
  static String hint(String name, Collection<String> candidates) {
    return Nearest.of(name, candidates)
        .map(nearest -> " (did you mean " + nearest + "?)")
        .orElse("");
  }
}
