package io.outboxinbox.quickstart.screen;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.quickstart.proof.LatencyReport;
import io.outboxinbox.quickstart.proof.LatencyReport.Figures;
import io.outboxinbox.quickstart.proof.Tally;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

class SummaryTest {
  private static final Figures FIGURES = new Figures(4_000, 6.2, 18.4, 40.1);
  private static final LatencyReport LATENCY =
      new LatencyReport(FIGURES, FIGURES, FIGURES, new Figures(3, 3_100, 4_000, 4_000), 12);

  @Test
  void isGoodWhenEverythingArrivedOnce() {
    Summary summary = summary(new Tally(9, 1, 9, 9, 0, 0, 0, 0, 0, 0, LATENCY), List.of());

    assertThat(summary.isGood()).isTrue();
    assertThat(printed(summary))
        .contains("RESULT ok: nothing lost, nothing doubled, all in order")
        .contains("p50 6.2 ms, p99 18.4 ms, max 40.1 ms (4,000 events)")
        .contains("killed and restarted 3 times")
        .contains("killed and restarted 2 times, ended by itself 1 times; its offsets set back 4")
        .contains("backlog gone after 3.1 s (p50), 4.0 s (max)")
        .contains("(seed 7)");
  }

  @Test
  void namesEveryFault() {
    Summary summary =
        summary(new Tally(9, 0, 8, 7, 1, 0, 0, 3, 4, 5, LATENCY), List.of("the books differ"));

    assertThat(summary.isGood()).isFalse();
    assertThat(printed(summary))
        .contains(
            "RESULT failed: 2 lost; 1 doubled; 4 out of order; 3 published though never committed;"
                + " 5 published under a wrong id; the books differ");
  }

  @Test
  void countsWhatIsNotInTheTopicAsLostEvenIfItWasConsumed() {
    Summary summary = summary(new Tally(9, 0, 8, 9, 0, 0, 0, 0, 0, 0, LATENCY), List.of());

    assertThat(summary.lost()).isOne();
  }

  private static Summary summary(Tally tally, List<String> otherFaults) {
    return new Summary(
        Duration.ofSeconds(30),
        Duration.ofMillis(200),
        tally,
        new Summary.Lives(3, 0),
        new Summary.Lives(2, 1),
        4,
        7,
        otherFaults,
        "all");
  }

  private static String printed(Summary summary) {
    ByteArrayOutputStream screen = new ByteArrayOutputStream();
    summary.print(new Terminal(new PrintStream(screen, false, StandardCharsets.UTF_8), false));
    return screen.toString(StandardCharsets.UTF_8);
  }
}
