package io.outboxinbox.bench.inbox;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Prints what happens while it does, and all figures as a table at the end. */
final class Report {
  /** Whether a figure is what it shall be. */
  enum Verdict {
    PASS,
    MISS,
    /** Nobody has promised anything. */
    NONE
  }

  /** One line of the table. */
  record Row(String measure, String figure, String goal, Verdict verdict) {}

  private final PrintStream out;
  private final List<Row> rows = new ArrayList<>();

  Report(PrintStream out) {
    this.out = out;
  }

  void say(String format, Object... arguments) {
    out.println(String.format(Locale.ROOT, format, arguments));
  }

  /** A figure without a goal. */
  void figure(String measure, String format, Object... arguments) {
    rows.add(new Row(measure, String.format(Locale.ROOT, format, arguments), "", Verdict.NONE));
  }

  void atLeast(String measure, double figure, double goal, String format) {
    judge(
        measure,
        figure,
        figure >= goal,
        "at least " + String.format(Locale.ROOT, format, goal),
        format);
  }

  void atMost(String measure, double figure, double goal, String format) {
    judge(
        measure,
        figure,
        figure <= goal,
        "at most " + String.format(Locale.ROOT, format, goal),
        format);
  }

  private void judge(String measure, double figure, boolean isMet, String goal, String format) {
    rows.add(
        new Row(
            measure,
            String.format(Locale.ROOT, format, figure),
            goal,
            isMet ? Verdict.PASS : Verdict.MISS));
  }

  List<Row> rows() {
    return List.copyOf(rows);
  }

  boolean isEveryGoalMet() {
    return rows.stream().noneMatch(row -> row.verdict() == Verdict.MISS);
  }

  void print() {
    String line = "%-66s %14s  %-18s %s";
    say("");
    say(line, "measure", "figure", "goal", "");
    for (Row row : rows) {
      String verdict = row.verdict() == Verdict.NONE ? "" : row.verdict().name();
      out.println(
          String.format(Locale.ROOT, line, row.measure(), row.figure(), row.goal(), verdict)
              .stripTrailing());
    }
  }
}
