package io.outboxinbox.e2e.rig;

import java.time.Duration;

/**
 * A time the product promises. It is always measured and printed; {@code -Dlimits.factor} stretches
 * what the test tolerates where other work shares the processors, and 1 holds it exactly.
 */
public record Limit(String what, Duration promised) {
  private static final int FACTOR = Setting.of("limits.factor", 3);

  /**
   * Compares a measured time with the promise and adds both to the report.
   *
   * @throws AssertionError it took longer than tolerated
   */
  public void check(Duration measured, Report report) {
    boolean isKept = measured.compareTo(promised) <= 0;
    report.line(
        "%s: %s, promised within %s%s",
        what, Report.seconds(measured), Report.seconds(promised), isKept ? "" : " - NOT KEPT");
    if (measured.compareTo(promised.multipliedBy(FACTOR)) > 0) {
      throw new AssertionError(
          "%s took %s, tolerated is %d x %s"
              .formatted(what, Report.seconds(measured), FACTOR, Report.seconds(promised)));
    }
  }
}
