package io.outboxinbox.quickstart.screen;

import io.outboxinbox.quickstart.proof.Latency;
import io.outboxinbox.quickstart.proof.LatencyReport;
import io.outboxinbox.quickstart.proof.LatencyReport.Figures;
import io.outboxinbox.quickstart.proof.Tally;
import io.outboxinbox.quickstart.screen.Terminal.Tone;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * The end of a run in words.
 *
 * @param writing how long orders were written
 * @param waited how long it then took until all was consumed, or until we gave up
 * @param redeliveries how often messages were delivered to the inventory again
 * @param otherFaults what else went wrong, each in a sentence
 */
public record Summary(
    Duration writing,
    Duration waited,
    Tally tally,
    Lives agent,
    Lives inventory,
    int redeliveries,
    long seed,
    List<String> otherFaults,
    String versions) {

  /**
   * How often a process ended before the end.
   *
   * @param kills by us
   * @param deaths by itself
   */
  public record Lives(int kills, int deaths) {}

  private static final String WHAT_IS_LEFT_OUT =
      "left out: the first %d s, and from each kill until %d s after the backlog was gone"
          .formatted(Latency.WARM_UP.toSeconds(), Latency.AFTER_KILL.toSeconds());

  /** Committed, and never seen in the topic or never applied. */
  public long lost() {
    return Math.max(tally.committed() - tally.published(), tally.lag());
  }

  /** Whether the demonstration has kept its promise. */
  public boolean isGood() {
    return faults().isEmpty();
  }

  public void print(Terminal terminal) {
    terminal.print(Tone.PLAIN, "");
    terminal.print(
        Tone.PLAIN,
        "Summary: %s of orders, then %.1f s until the last was through (seed %d)"
            .formatted(words(writing), waited.toMillis() / 1_000.0, seed));
    lines().forEach(line -> terminal.print(Tone.PLAIN, line));
    terminal.print(Tone.PLAIN, "");
    if (isGood()) {
      terminal.print(Tone.GOOD, "RESULT ok: nothing lost, nothing doubled, all in order");
    } else {
      terminal.print(Tone.BAD, "RESULT failed: " + String.join("; ", faults()));
    }
  }

  private List<String> lines() {
    LatencyReport latency = tally.latency();
    List<String> lines = new ArrayList<>();
    lines.add(
        line(
            "committed",
            tally.committed(),
            "transactions of the order service; %,d more were rolled back"
                .formatted(tally.rolledBack())));
    lines.add(line("published", tally.published(), "events visible to read_committed consumers"));
    lines.add(
        line(
            "consumed",
            tally.consumed(),
            "reservations in the inventory; %,d messages were delivered again"
                .formatted(tally.redelivered())));
    lines.add(line("duplicates", tally.duplicates(), ""));
    lines.add(line("lost", lost(), ""));
    lines.add(line("out of order", tally.outOfOrder(), "within an order, which is the key"));
    lines.add(figures("commit to consumer", latency.received()));
    lines.add(figures("commit to effect", latency.applied()));
    lines.add("  " + " ".repeat(20) + WHAT_IS_LEFT_OUT);
    lines.add(agent(latency.recoveries()));
    lines.add(
        lives("inventory", inventory) + "; its offsets set back %d times".formatted(redeliveries));
    lines.add("  %-18s  %s".formatted("versions", versions));
    return lines;
  }

  private List<String> faults() {
    List<String> faults = new ArrayList<>();
    add(faults, lost(), "lost");
    add(faults, tally.duplicates(), "doubled");
    add(faults, tally.outOfOrder(), "out of order");
    add(faults, tally.neverCommitted(), "published though never committed");
    add(faults, tally.wrongId(), "published under a wrong id");
    faults.addAll(otherFaults);
    return faults;
  }

  private static void add(List<String> faults, long count, String what) {
    if (count > 0) {
      faults.add("%,d %s".formatted(count, what));
    }
  }

  private static String line(String name, long count, String comment) {
    return "  %-18s %,9d  %s".formatted(name, count, comment).stripTrailing();
  }

  private static String figures(String name, Figures figures) {
    return figures.count() == 0
        ? "  %-18s  nothing measured".formatted(name)
        : "  %-18s  p50 %.1f ms, p99 %.1f ms, max %.1f ms (%,d events)"
            .formatted(
                name,
                figures.p50Millis(),
                figures.p99Millis(),
                figures.maxMillis(),
                figures.count());
  }

  private String agent(Figures recoveries) {
    String text = lives("agent", agent);
    return recoveries.count() == 0
        ? text
        : text
            + "; backlog gone after %.1f s (p50), %.1f s (max)"
                .formatted(recoveries.p50Millis() / 1_000, recoveries.maxMillis() / 1_000);
  }

  private static String lives(String name, Lives lives) {
    return "  %-18s  killed and restarted %d times, ended by itself %d times"
        .formatted(name, lives.kills(), lives.deaths());
  }

  private static String words(Duration duration) {
    return duration.toMinutes() == 0
        ? duration.toSeconds() + " s"
        : duration.toMinutes() + " min " + duration.toSecondsPart() + " s";
  }
}
