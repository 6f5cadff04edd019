package io.outboxinbox.agent.event;

/** PostgreSQL's log sequence numbers, as text and number. */
public final class Lsn {
  private Lsn() {}

  /** The server's own notation, such as {@code 16/B374D848}. */
  public static String format(long lsn) {
    return "%X/%X".formatted(lsn >>> 32, lsn & 0xFFFFFFFFL);
  }

  /**
   * Reads the server's notation.
   *
   * @throws NumberFormatException not two hexadecimal numbers around a slash
   */
  public static long parse(String text) {
    int slash = text.indexOf('/');
    if (slash < 1) {
      throw new NumberFormatException("LSN '" + text + "': expected two hex numbers around a /");
    }
    return Long.parseLong(text.substring(0, slash), 16) << 32
        | Long.parseLong(text.substring(slash + 1), 16);
  }
}
