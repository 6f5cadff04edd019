package io.outboxinbox.e2e.rig;

import java.time.Duration;
import java.util.Locale;

/** What a test prints: one readable block per run, whether it passed or not. */
public final class Report {
  private final StringBuilder text = new StringBuilder();

  public Report(String title) {
    text.append("\n== ").append(title).append('\n');
  }

  /** Adds a line. */
  public Report line(String format, Object... values) {
    text.append("  ").append(String.format(Locale.ROOT, format, values)).append('\n');
    return this;
  }

  /** Adds an audit's block. */
  public Report verdict(Verdict verdict) {
    text.append(verdict).append('\n');
    return this;
  }

  /** Prints all of it at once, so that other output does not fall in between. */
  public Report print() {
    System.out.print(text);
    System.out.flush();
    return this;
  }

  /** Seconds with two digits. */
  public static String seconds(Duration duration) {
    return String.format(Locale.ROOT, "%.2f s", duration.toMillis() / 1000.0);
  }

  @Override
  public String toString() {
    return text.toString();
  }
}
