package io.outboxinbox.agent.event;

/** Text of strangers made fit for a log or a terminal: it can neither end a line nor steer one. */
public final class OneLine {
  private OneLine() {}

  /** The text with everything that is not plain as {@code ?}. */
  public static String of(String text) {
    return of(text, Integer.MAX_VALUE);
  }

  /**
   * The same, cut.
   *
   * @param charsMax in code points; what is longer ends with three dots
   */
  public static String of(String text, int charsMax) {
    StringBuilder shown = new StringBuilder(Math.min(text.length(), charsMax));
    text.codePoints()
        .limit(charsMax)
        .map(c -> isPlain(c) ? c : '?')
        .forEach(shown::appendCodePoint);
    return text.codePointCount(0, text.length()) > charsMax ? shown + "..." : shown.toString();
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
