package io.outboxinbox.quickstart.screen;

import io.outboxinbox.quickstart.proof.LatencyReport.Figures;
import io.outboxinbox.quickstart.proof.Tally;
import io.outboxinbox.quickstart.screen.Terminal.Tone;
import java.time.Duration;
import java.util.Locale;

/** One line a second, with its heading every so often. */
public final class LiveTable {
  private static final int LINES_PER_HEADING = 20;
  private static final String HEADING =
      "   time   committed   published    consumed     lag   dup  lost   p50 ms   p99 ms  agent";

  private final Terminal terminal;
  private int linesSinceHeading = LINES_PER_HEADING;

  public LiveTable(Terminal terminal) {
    this.terminal = terminal;
  }

  /** What the agent is doing. */
  public enum AgentState {
    STARTING(Tone.CAUTION),
    CATCHING_UP(Tone.CAUTION),
    STREAMING(Tone.GOOD),
    DOWN(Tone.BAD);

    private final Tone tone;

    AgentState(Tone tone) {
      this.tone = tone;
    }

    private String word() {
      return name().toLowerCase(Locale.ROOT).replace('_', ' ');
    }
  }

  public void line(Duration elapsed, Tally tally, AgentState agent) {
    if (linesSinceHeading >= LINES_PER_HEADING) {
      terminal.print(Tone.DIM, HEADING);
      linesSinceHeading = 0;
    }
    linesSinceHeading++;
    terminal.print(Tone.PLAIN, text(elapsed, tally, agent));
  }

  /** Something happened; stands between the lines. */
  public void note(Tone tone, String text) {
    terminal.print(tone, "         -- " + text);
  }

  private String text(Duration elapsed, Tally tally, AgentState agent) {
    Figures latency = tally.latency().interval();
    return "%7s %,11d %,11d %,11d %,7d %s %s %8s %8s  %s"
        .formatted(
            time(elapsed),
            tally.committed(),
            tally.published(),
            tally.consumed(),
            tally.lag(),
            faults(tally.duplicates()),
            faults(tally.passedOver()),
            millis(latency, latency.p50Millis()),
            millis(latency, latency.p99Millis()),
            terminal.paint(agent.tone, agent.word()));
  }

  private String faults(long count) {
    return terminal.paint(count == 0 ? Tone.PLAIN : Tone.BAD, "%,5d".formatted(count));
  }

  private static String time(Duration elapsed) {
    return "%d:%02d".formatted(elapsed.toMinutes(), elapsed.toSecondsPart());
  }

  private static String millis(Figures figures, double millis) {
    return figures.count() == 0 ? "-" : "%,.1f".formatted(millis);
  }
}
