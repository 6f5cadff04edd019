package io.outboxinbox.agent.route;

import io.outboxinbox.agent.event.Destination.Header;
import io.outboxinbox.agent.event.OutboxEvent;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Copies a row's own headers behind ours, unless they could be taken for ours or break a consumer
 * that passes them on over HTTP.
 */
final class RowHeaders {
  static final int COUNT_MAX = 64;
  static final int NAME_CHARS_MAX = 128;

  /** Names and values together; leaves most of Kafka's default limit of 1 MiB to the payload. */
  static final int BYTES_MAX = 32 * 1024;

  /**
   * Beginnings nobody but us may send, whatever the style: an inbox that finds no {@code ce_id}
   * looks for others. {@code ce-} is what {@code ce_} is called in HTTP.
   */
  private static final List<String> RESERVED_STARTS = List.of("ce_", "ce-", "outbox_");

  private final Set<String> reserved;

  /**
   * Adds names to the reserved ones.
   *
   * @param reserved further names that are ours, in lower case
   */
  RowHeaders(Set<String> reserved) {
    this.reserved = Set.copyOf(reserved);
  }

  void addTo(List<Header> headers, OutboxEvent event) {
    Map<String, String> own = event.headers();
    if (own.isEmpty()) {
      return;
    }
    if (own.size() > COUNT_MAX) {
      throw rejected(event, "%d headers, allowed are %d".formatted(own.size(), COUNT_MAX));
    }
    int bytes = 0;
    for (Map.Entry<String, String> entry : own.entrySet()) {
      String name = entry.getKey();
      checkName(name, event);
      checkValue("header " + name, entry.getValue(), event);
      byte[] value = entry.getValue().getBytes(StandardCharsets.UTF_8);
      bytes += name.length() + value.length;
      if (bytes > BYTES_MAX) {
        throw rejected(event, "headers exceed %d bytes with header %s".formatted(BYTES_MAX, name));
      }
      headers.add(new Header(name, value));
    }
  }

  private void checkName(String name, OutboxEvent event) {
    if (name.isEmpty()
        || name.length() > NAME_CHARS_MAX
        || !name.chars().allMatch(TopicRules::isNameChar)) {
      throw rejected(
          event,
          "header name %s does not match [A-Za-z0-9._-]{1,%d}"
              .formatted(Rejection.shown(name), NAME_CHARS_MAX));
    }
    String lower = name.toLowerCase(Locale.ROOT);
    if (reserved.contains(lower) || RESERVED_STARTS.stream().anyMatch(lower::startsWith)) {
      throw rejected(event, "header name '" + name + "' is reserved for the agent");
    }
  }

  /** Refuses what ends a header in HTTP. The value is not shown: it may be a credential. */
  static void checkValue(String what, String value, OutboxEvent event) {
    for (int i = 0; i < value.length(); i++) {
      char c = value.charAt(i);
      if (c == '\r' || c == '\n' || c == 0) {
        throw rejected(
            event, what + " has CR, LF or NUL at position " + (i + 1) + ", which no header may");
      }
    }
  }

  private static RuntimeException rejected(OutboxEvent event, String problem) {
    return Rejection.of(event, problem, "correct the row before releasing it");
  }
}
