package io.outboxinbox.agent.configure;

import com.fasterxml.jackson.databind.JsonNode;

/** How a value appears in a message. */
final class Shown {
  /** Enough to recognise a value by. */
  private static final int CHARS_MAX = 80;

  private Shown() {}

  static String value(String path, JsonNode node) {
    if (node.isMissingNode() || node.isNull()) {
      return "missing";
    }
    if (node.isContainerNode()) {
      return node.isEmpty() ? "empty" : node.isArray() ? "a list" : "a block";
    }
    return text(path, node.asText());
  }

  static String text(String path, String text) {
    if (text.isEmpty()) {
      return "empty";
    }
    if (SecretKeys.isSecret(path)) {
      return "a hidden value";
    }
    String line = text.replaceAll("\\p{Cntrl}+", " ");
    return line.length() <= CHARS_MAX ? line : line.substring(0, CHARS_MAX) + "...";
  }
}
