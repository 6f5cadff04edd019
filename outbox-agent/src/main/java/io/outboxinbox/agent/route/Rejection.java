package io.outboxinbox.agent.route;

import io.outboxinbox.agent.event.AgentException.RejectedEvent;
import io.outboxinbox.agent.event.OneLine;
import io.outboxinbox.agent.event.OutboxEvent;

/** Words a rejection so that it can be logged: short, on one line, without payload. */
final class Rejection {
  /** Enough to recognise a value by; a topic name is at most 249. */
  private static final int SHOWN_CHARS_MAX = 120;

  private Rejection() {}

  static RejectedEvent of(OutboxEvent event, String problem, String wayOut) {
    return new RejectedEvent("event %s: %s; %s".formatted(shown(event.id()), problem, wayOut));
  }

  /** The value with control characters as {@code ?}, so that a row cannot write log lines. */
  static String shown(String value) {
    boolean isCut = value.codePointCount(0, value.length()) > SHOWN_CHARS_MAX;
    String plain = OneLine.of(value, SHOWN_CHARS_MAX);
    return isCut ? "'" + plain.substring(0, plain.length() - 3) + "'..." : "'" + plain + "'";
  }
}
