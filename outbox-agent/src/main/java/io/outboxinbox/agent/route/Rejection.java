package io.outboxinbox.agent.route;

import io.outboxinbox.agent.event.AgentException.RejectedEvent;
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
    StringBuilder shown = new StringBuilder(Math.min(value.length(), SHOWN_CHARS_MAX) + 2);
    shown.append('\'');
    value
        .codePoints()
        .limit(SHOWN_CHARS_MAX)
        .map(c -> isPlain(c) ? c : '?')
        .forEach(shown::appendCodePoint);
    shown.append('\'');
    if (value.codePointCount(0, value.length()) > SHOWN_CHARS_MAX) {
      shown.append("...");
    }
    return shown.toString();
  }

  private static boolean isPlain(int codePoint) {
    return switch (Character.getType(codePoint)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR,
          Character.SURROGATE,
          Character.PRIVATE_USE,
          Character.UNASSIGNED ->
          false;
      default -> true;
    };
  }
}
