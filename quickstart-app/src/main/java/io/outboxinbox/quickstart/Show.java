package io.outboxinbox.quickstart;

import io.outboxinbox.quickstart.inventory.InventoryService;
import io.outboxinbox.quickstart.order.OrderTraffic;
import io.outboxinbox.quickstart.proof.Latency;
import io.outboxinbox.quickstart.proof.Ledger;
import io.outboxinbox.quickstart.proof.Tally;
import io.outboxinbox.quickstart.screen.LiveTable;
import io.outboxinbox.quickstart.screen.LiveTable.AgentState;
import io.outboxinbox.quickstart.screen.Summary;
import io.outboxinbox.quickstart.screen.Terminal;
import io.outboxinbox.quickstart.screen.Terminal.Tone;
import io.outboxinbox.quickstart.stage.AgentProcess;
import io.outboxinbox.quickstart.stage.Trouble;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The run itself: has orders written, shows what becomes of them, kills and restarts the agent, and
 * sums up. Used by the main thread only.
 */
final class Show {
  /** So often we look for wishes, for the agent, and for the time. */
  private static final long TICK_MILLIS = 50;

  private static final long LINE_EVERY_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final Duration DRAINED_WITHIN = Duration.ofSeconds(60);

  /** An agent that keeps dying by itself is not to be demonstrated. */
  private static final int DEATHS_MAX = 5;

  /** Who plays; all are started but the traffic. */
  record Cast(
      AgentProcess agent, OrderTraffic traffic, InventoryService inventory, TopicAuditor auditor) {}

  /** Who takes notes. */
  record Proof(Ledger ledger, Latency latency) {}

  private final Options options;
  private final Terminal terminal;
  private final Wishes wishes;
  private final Cast cast;
  private final Proof proof;
  private final LiveTable table;
  private final Chaos chaos;
  private final long startedAt = System.nanoTime();
  private long nextLineAt = startedAt + LINE_EVERY_NANOS;
  private long publishedAtRestart;
  private int kills;
  private int deaths;

  Show(Options options, Terminal terminal, Wishes wishes, Cast cast, Proof proof) {
    this.options = options;
    this.terminal = terminal;
    this.wishes = wishes;
    this.cast = cast;
    this.proof = proof;
    this.table = new LiveTable(terminal);
    this.chaos = new Chaos(options.seed());
  }

  /**
   * Runs until the time is up or the user wants to end.
   *
   * @return whether nothing was lost or doubled
   */
  boolean run(Books books, String versions) throws Trouble {
    proof.latency().starting(System.nanoTime());
    cast.traffic().start(options.eventsPerSecond(), options.seed());
    Duration limit = options.limit();
    long endsAt = limit == null ? Long.MAX_VALUE : startedAt + limit.toNanos();
    while (!wishes.awaitEnd(TICK_MILLIS) && System.nanoTime() < endsAt) {
      attend(true);
    }
    long writingEndedAt = System.nanoTime();
    cast.traffic().close();
    Tally tally = drain();
    Summary summary =
        new Summary(
            Duration.ofNanos(writingEndedAt - startedAt),
            Duration.ofNanos(System.nanoTime() - writingEndedAt),
            tally,
            kills,
            deaths,
            options.seed(),
            otherFaults(books, tally),
            versions);
    summary.print(terminal);
    return summary.isGood();
  }

  /** No more orders: waits until the last event is through. */
  private Tally drain() throws Trouble {
    table.note(Tone.DIM, "no more orders; waiting for the last events");
    long deadline = System.nanoTime() + DRAINED_WITHIN.toNanos();
    Tally tally = proof.ledger().tally();
    while (!tally.drained() && System.nanoTime() < deadline) {
      pause();
      attend(false);
      tally = proof.ledger().tally();
    }
    // What is there twice would come right after.
    pause();
    return proof.ledger().tally();
  }

  /** One round of what has to be looked after. */
  private void attend(boolean killing) throws Trouble {
    long now = System.nanoTime();
    if (!cast.agent().isAlive()) {
      bury();
    } else if (wishes.takeKill()) {
      kill("as you wish");
    } else if (killing && options.chaos() && chaos.isDue(proof.latency().caughtUp(), now)) {
      kill(proof.latency().caughtUp() ? "while it streams" : "while it starts");
    }
    if (now >= nextLineAt) {
      // Never two lines at once after a standstill.
      nextLineAt = Math.max(nextLineAt + LINE_EVERY_NANOS, now);
      Tally tally = proof.ledger().tally();
      table.line(Duration.ofNanos(now - startedAt), tally, agentState(tally));
      proof.ledger().startInterval();
    }
  }

  private void kill(String when) throws Trouble {
    proof.latency().disturbed(System.nanoTime());
    long pid = cast.agent().kill();
    kills++;
    table.note(
        Tone.CAUTION, "kill -9 of the agent, pid %d, %s; starting it again".formatted(pid, when));
    restart();
  }

  private void bury() throws Trouble {
    if (wishes.wantsEnd()) {
      // Ctrl-C goes to the whole terminal, and this time it reached the agent as well.
      restart();
      return;
    }
    proof.latency().disturbed(System.nanoTime());
    deaths++;
    table.note(
        Tone.BAD,
        "the agent ended by itself, code %d; see %s"
            .formatted(cast.agent().exitCode(), cast.agent().log()));
    if (deaths > DEATHS_MAX) {
      throw new Trouble(
          "the agent ended by itself "
              + deaths
              + " times; its log ends:\n"
              + cast.agent().logTail());
    }
    restart();
  }

  private void restart() throws Trouble {
    cast.agent().start();
    publishedAtRestart = proof.ledger().publishedCount();
    chaos.restarted(System.nanoTime());
  }

  private AgentState agentState(Tally tally) {
    if (!cast.agent().isAlive()) {
      return AgentState.DOWN;
    }
    if (proof.latency().caughtUp()) {
      return AgentState.STREAMING;
    }
    return tally.published() > publishedAtRestart ? AgentState.CATCHING_UP : AgentState.STARTING;
  }

  private List<String> otherFaults(Books books, Tally tally) {
    List<String> faults = new ArrayList<>();
    if (cast.traffic().failures() > 0) {
      faults.add(
          "%,d orders could not be written, the last because of: %s"
              .formatted(cast.traffic().failures(), cast.traffic().lastFailure()));
    }
    if (cast.inventory().lastFailure() != null) {
      faults.add("the inventory cannot go on: " + cast.inventory().lastFailure());
    }
    if (cast.auditor().failure() != null) {
      faults.add("the topic could not be audited: " + cast.auditor().failure());
    }
    if (deaths > 0) {
      faults.add("the agent ended by itself");
    }
    try {
      faults.addAll(books.differences(tally));
    } catch (SQLException e) {
      faults.add("the books could not be compared: " + e.getMessage());
    }
    return faults;
  }

  private static void pause() {
    try {
      TimeUnit.MILLISECONDS.sleep(TICK_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
