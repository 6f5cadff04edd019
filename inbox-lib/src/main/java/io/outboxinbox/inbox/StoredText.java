package io.outboxinbox.inbox;

/**
 * Text on its way to a text column. PostgreSQL takes no NUL, and no database takes half of a
 * surrogate pair, but ids and names of headers may have either.
 */
final class StoredText {
  private static final char ESCAPE = '\\';
  private static final int HEX_DIGITS = 4;

  private StoredText() {}

  /** The text with what a column cannot hold as {@code \}{@code uXXXX}; a backslash is doubled. */
  static String escaped(String text) {
    StringBuilder escaped = new StringBuilder(text.length());
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == ESCAPE) {
        escaped.append(ESCAPE).append(ESCAPE);
      } else if (c == 0 || isLoneSurrogate(text, i)) {
        escaped.append(ESCAPE).append('u').append(String.format("%04x", (int) c));
      } else {
        escaped.append(c);
      }
    }
    return escaped.toString();
  }

  /** What {@link #escaped} was given. */
  static String original(String escaped) {
    StringBuilder text = new StringBuilder(escaped.length());
    for (int i = 0; i < escaped.length(); i++) {
      char c = escaped.charAt(i);
      if (c != ESCAPE) {
        text.append(c);
      } else if (escaped.startsWith("u", i + 1) && escaped.length() > i + 1 + HEX_DIGITS) {
        text.append((char) Integer.parseInt(escaped, i + 2, i + 2 + HEX_DIGITS, 16));
        i += 1 + HEX_DIGITS;
      } else {
        text.append(ESCAPE);
        i++;
      }
    }
    return text.toString();
  }

  /** For people: control characters and broken ones replaced, and no longer than the limit. */
  static String shortened(String text, int charactersMax) {
    StringBuilder shown = new StringBuilder(Math.min(text.length(), charactersMax));
    for (int i = 0; i < text.length() && shown.length() < charactersMax; i++) {
      char c = text.charAt(i);
      if (c == '\n' || c == '\t' || c == '\r') {
        shown.append(' ');
      } else {
        shown.append(Character.isISOControl(c) || isLoneSurrogate(text, i) ? '\uFFFD' : c);
      }
    }
    int last = shown.length() - 1;
    if (last >= 0 && Character.isHighSurrogate(shown.charAt(last))) {
      shown.setLength(last);
    }
    return shown.toString();
  }

  private static boolean isLoneSurrogate(String text, int index) {
    char c = text.charAt(index);
    if (Character.isHighSurrogate(c)) {
      return index + 1 == text.length() || !Character.isLowSurrogate(text.charAt(index + 1));
    }
    return Character.isLowSurrogate(c)
        && (index == 0 || !Character.isHighSurrogate(text.charAt(index - 1)));
  }
}
