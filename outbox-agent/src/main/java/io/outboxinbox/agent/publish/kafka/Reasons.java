package io.outboxinbox.agent.publish.kafka;

import java.util.ArrayList;
import java.util.List;

/** Why a client failed, in one line: Kafka's outer messages alone often do not say. */
final class Reasons {
  private Reasons() {}

  static String of(Throwable failure) {
    List<String> reasons = new ArrayList<>();
    for (Throwable at = failure; at != null; at = at.getCause()) {
      String reason = at.getMessage() == null ? at.getClass().getSimpleName() : at.getMessage();
      // Many exceptions repeat the message of their cause.
      if (reasons.stream().noneMatch(said -> said.contains(reason))) {
        reasons.add(reason);
      }
    }
    return String.join(": ", reasons);
  }
}
