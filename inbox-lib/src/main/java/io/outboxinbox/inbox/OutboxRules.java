package io.outboxinbox.inbox;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The rules of the agent for events, and those of PostgreSQL for text. What the table itself checks
 * (lengths, names of topics) is left to it: there they can be changed.
 */
final class OutboxRules {
  private static final int HEADERS_MAX = 64;
  private static final Pattern HEADER_NAME = Pattern.compile("[A-Za-z0-9._-]{1,128}");
  private static final Pattern NO_HEADER_VALUE = Pattern.compile("[\r\n\0]");
  private static final List<String> RESERVED_STARTS = List.of("ce_", "ce-", "outbox_");
  private static final Set<String> RESERVED = Set.of("content-type", "id", "eventtype");
  private static final int SHOWN_CHARACTERS = 64;

  private OutboxRules() {}

  static String required(String what, @Nullable String value) {
    String text = storable(what, value);
    if (text == null || text.isEmpty()) {
      throw new InboxException.BadMessage(
          "an event has " + (text == null ? "no " : "an empty ") + what, "set it before build()");
    }
    return text;
  }

  /** As {@link #required}, for what also becomes a header. */
  static String requiredLine(String what, @Nullable String value) {
    String text = required(what, value);
    if (!isHeaderValue(text)) {
      throw new InboxException.BadMessage(
          "an event's " + what + " has CR or LF, which no header may", "send a single line");
    }
    return text;
  }

  /**
   * CloudEvents are refused because consumers would take id and type from the payload instead
   * (CloudEvents Kafka binding, section 3).
   */
  static String mediaType(@Nullable String value) {
    String text = required("contentType", value);
    if (text.indexOf('/') < 1
        || !text.chars().allMatch(c -> c >= ' ' && c <= '~')
        || text.strip().toLowerCase(Locale.ROOT).startsWith("application/cloudevents")) {
      throw new InboxException.BadMessage(
          "an event's contentType '" + shown(text) + "' is refused by the agent",
          "give the media type of the payload itself, in printable ASCII");
    }
    return text;
  }

  /** Refuses what PostgreSQL cannot store, and what would become question marks on the way. */
  static @Nullable String storable(String what, @Nullable String value) {
    if (value != null && !isStorable(value)) {
      throw new InboxException.BadMessage(
          "an event's " + what + " has a NUL or half of a surrogate pair", "send valid Unicode");
    }
    return value;
  }

  static void checkHeaders(Map<String, String> headers) {
    if (headers.size() > HEADERS_MAX) {
      throw new InboxException.BadMessage(
          "an event has " + headers.size() + " headers", "send at most " + HEADERS_MAX);
    }
    headers.forEach(OutboxRules::checkHeader);
  }

  /** The value is not shown: it may be a credential. */
  private static void checkHeader(String name, @Nullable String value) {
    if (!HEADER_NAME.matcher(name).matches()) {
      throw new InboxException.BadMessage(
          "an event's header name '" + shown(name) + "' does not match " + HEADER_NAME,
          "choose another name");
    }
    String lower = name.toLowerCase(Locale.ROOT);
    if (RESERVED.contains(lower) || RESERVED_STARTS.stream().anyMatch(lower::startsWith)) {
      throw new InboxException.BadMessage(
          "an event's header name '" + name + "' is reserved for the agent", "choose another name");
    }
    if (value == null || !isHeaderValue(value)) {
      throw new InboxException.BadMessage(
          "the value of an event's header "
              + name
              + (value == null ? " is null" : " has CR, LF, NUL or half of a surrogate pair"),
          "leave the header out, or encode its value");
    }
  }

  static boolean isHeaderValue(String value) {
    return isStorable(value) && !NO_HEADER_VALUE.matcher(value).find();
  }

  private static boolean isStorable(String text) {
    return text.indexOf('\0') < 0 && StandardCharsets.UTF_8.newEncoder().canEncode(text);
  }

  /** Strings as a JSON object, RFC 8259; all but quotes, backslashes and controls stand as is. */
  static String json(Map<String, String> strings) {
    StringBuilder json = new StringBuilder("{");
    strings.forEach(
        (name, value) -> {
          if (json.length() > 1) {
            json.append(',');
          }
          appendString(json, name);
          json.append(':');
          appendString(json, value);
        });
    return json.append('}').toString();
  }

  private static void appendString(StringBuilder json, String text) {
    json.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '"' || c == '\\') {
        json.append('\\').append(c);
      } else if (c < 0x20) {
        json.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
      } else {
        json.append(c);
      }
    }
    json.append('"');
  }

  static String shown(String text) {
    String start = text.length() > SHOWN_CHARACTERS ? text.substring(0, SHOWN_CHARACTERS) : text;
    return start.replaceAll("\\p{Cntrl}", "\uFFFD") + (text.length() > start.length() ? "..." : "");
  }
}
