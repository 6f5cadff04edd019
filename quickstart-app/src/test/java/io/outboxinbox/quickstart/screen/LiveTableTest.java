package io.outboxinbox.quickstart.screen;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.quickstart.proof.LatencyReport;
import io.outboxinbox.quickstart.proof.LatencyReport.Figures;
import io.outboxinbox.quickstart.proof.Tally;
import io.outboxinbox.quickstart.screen.LiveTable.AgentState;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

class LiveTableTest {
  private static final int COLUMNS = 100;

  private final ByteArrayOutputStream screen = new ByteArrayOutputStream();

  @Test
  void fitsItsColumnsAfterADayOfTwoHundredEventsASecond() {
    LiveTable table = new LiveTable(terminal(false));

    table.line(Duration.ofHours(24), tally(17_280_000, 12_345.6), AgentState.CATCHING_UP);

    List<String> lines = lines();
    assertThat(lines).hasSize(2).allMatch(line -> line.length() <= COLUMNS);
    assertThat(lines.get(1).indexOf("catching up")).isEqualTo(lines.get(0).indexOf("agent"));
  }

  @Test
  void repeatsItsHeadingEveryTwentyLines() {
    LiveTable table = new LiveTable(terminal(false));

    for (int second = 1; second <= 41; second++) {
      table.line(Duration.ofSeconds(second), tally(second, 1), AgentState.STREAMING);
    }

    assertThat(lines().stream().filter(line -> line.contains("committed"))).hasSize(3);
  }

  @Test
  void showsADashForASecondWithoutEvents() {
    LiveTable table = new LiveTable(terminal(false));
    Figures none = new Figures(0, 0, 0, 0);
    LatencyReport silence = new LatencyReport(none, none, none, none, 0);

    table.line(
        Duration.ofSeconds(61),
        new Tally(3, 0, 2, 1, 0, 0, 0, 0, 0, 0, silence),
        AgentState.STARTING);

    assertThat(lines().get(1).strip().split(" +"))
        .containsExactly("1:01", "3", "2", "1", "2", "0", "0", "-", "-", "starting");
  }

  @Test
  void paintsOnlyWhereSomebodyLooks() {
    new LiveTable(terminal(true)).line(Duration.ZERO, tally(1, 1), AgentState.DOWN);
    assertThat(screen.toString(StandardCharsets.UTF_8)).contains("\u001b[31;1mdown\u001b[0m");

    screen.reset();
    new LiveTable(terminal(false)).line(Duration.ZERO, tally(1, 1), AgentState.DOWN);
    assertThat(screen.toString(StandardCharsets.UTF_8)).doesNotContain("\u001b");
  }

  private Terminal terminal(boolean colored) {
    return new Terminal(new PrintStream(screen, false, StandardCharsets.UTF_8), colored);
  }

  private List<String> lines() {
    return screen.toString(StandardCharsets.UTF_8).lines().toList();
  }

  static Tally tally(long count, double millis) {
    Figures figures = new Figures(count, millis, millis, millis);
    return new Tally(
        count,
        0,
        count,
        count,
        0,
        0,
        0,
        0,
        0,
        0,
        new LatencyReport(figures, figures, figures, figures, 0));
  }
}
