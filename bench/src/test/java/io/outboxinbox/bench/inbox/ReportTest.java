package io.outboxinbox.bench.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.bench.inbox.Options.Part;
import io.outboxinbox.bench.inbox.Report.Row;
import io.outboxinbox.bench.inbox.Report.Verdict;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import java.util.List;
import org.junit.jupiter.api.Test;

class ReportTest {
  private final Report report =
      new Report(new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8));

  @Test
  void tellsGoalsThatAreMetFromGoalsThatAreMissed() {
    report.figure("neither", "%d", 1);
    report.atLeast("enough", 0.8, 0.8, "%.2f");
    assertThat(report.isEveryGoalMet()).isTrue();
    report.atLeast("too little", 0.79, 0.8, "%.2f");
    report.atMost("too much", 2, 1, "%.0f");
    report.atMost("few", 1, 1, "%.0f");

    assertThat(report.rows())
        .extracting(Row::verdict)
        .containsExactly(Verdict.NONE, Verdict.PASS, Verdict.MISS, Verdict.MISS, Verdict.PASS);
    assertThat(report.isEveryGoalMet()).isFalse();
  }

  @Test
  void comparesSidesOfTheSameRound() throws Exception {
    // The second side does twice as much in the same time; the clock is real, so only roughly.
    Rounds rounds =
        Rounds.run(
            5, List.of(new Rounds.Side("one", () -> 1), new Rounds.Side("many", () -> 1_000_000)));
    assertThat(rounds.ratio(1, 0)).isGreaterThan(1);
    assertThat(Rounds.median(new double[] {3, 1, 2})).isEqualTo(2);
    assertThat(Rounds.median(new double[] {4, 1, 2, 3})).isEqualTo(2.5);
  }

  @Test
  void refusesWordsAndNumbersItDoesNotKnow() {
    assertThat(Options.parse("--strict", "--ids=40000", "--only=month"))
        .isEqualTo(new Options(Sizes.full().withDatedIds(40_000), EnumSet.of(Part.MONTH), true));
    assertThat(Options.parse().parts()).containsExactlyInAnyOrder(Part.values());
    assertThatThrownBy(() -> Options.parse("--only=week")).hasMessageContaining("month");
    assertThatThrownBy(() -> Options.parse("--fast")).hasMessageContaining("--fast");
    assertThatThrownBy(() -> Options.parse("--ids=30000")).hasMessageContaining("20000");
    assertThatThrownBy(() -> Options.parse("--ids=-1")).hasMessageContaining("--ids=-1");
  }
}
