package io.outboxinbox.quickstart;

import io.outboxinbox.quickstart.Wishes.Wish;
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
import io.outboxinbox.quickstart.stage.InventoryProcess;
import io.outboxinbox.quickstart.stage.Trouble;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The run itself: has orders written, shows what becomes of them, disturbs agent and inventory, and
 * sums up. Used by the main thread only.
 */
final class Show {
  /** So often we look for wishes, for the agent, and for the time. */
  private static final long TICK_MILLIS = 50;

  private static final long LINE_EVERY_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final Duration DRAINED_WITHIN = Duration.ofSeconds(60);

  /** Who plays; all are started but the traffic. */
  record Cast(
      AgentProcess agent,
      OrderTraffic traffic,
      InventoryProcess inventory,
      TopicAuditor auditor,
      ReservationWatch watch) {}

  /** Who takes notes. */
  record Proof(Ledger ledger, Latency latency) {}

  private final Options options;
  private final Terminal terminal;
  private final Wishes wishes;
  private final Cast cast;
  private final Proof proof;
  private final LiveTable table;
  private final Life agent;
  private final Life inventory;
  private final long startedAt = System.nanoTime();
  private final Chaos chaos;
  private final InventoryChaos inventoryChaos;
  private long nextLineAt = startedAt + LINE_EVERY_NANOS;
  private long publishedAtRestart;
  private long consumedAtRestart;
  private int redeliveries;

  Show(Options options, Terminal terminal, Wishes wishes, Cast cast, Proof proof) {
    this.options = options;
    this.terminal = terminal;
    this.wishes = wishes;
    this.cast = cast;
    this.proof = proof;
    this.table = new LiveTable(terminal);
    this.agent = new Life("agent", cast.agent().process(), table);
    this.inventory = new Life("inventory", cast.inventory().process(), table);
    this.chaos = new Chaos(options.seed());
    this.inventoryChaos = new InventoryChaos(options.seed());
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
            new Summary.Lives(agent.kills(), agent.deaths()),
            new Summary.Lives(inventory.kills(), inventory.deaths()),
            redeliveries,
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
  private void attend(boolean disturbing) throws Trouble {
    long now = System.nanoTime();
    attendAgent(disturbing, now);
    attendInventory(disturbing, now);
    if (now >= nextLineAt) {
      // Never two lines at once after a standstill.
      nextLineAt = Math.max(nextLineAt + LINE_EVERY_NANOS, now);
      Tally tally = proof.ledger().tally();
      table.line(Duration.ofNanos(now - startedAt), tally, agentState(tally));
      proof.ledger().startInterval();
    }
  }

  private void attendAgent(boolean disturbing, long now) throws Trouble {
    boolean caughtUp = proof.latency().caughtUp();
    if (agent.isOver() && wishes.wantsEnd()) {
      agent.startAfterCtrlC();
    } else if (agent.isOver()) {
      proof.latency().disturbed(now);
      agent.bury();
    } else if (wishes.take(Wish.KILL_AGENT)) {
      proof.latency().disturbed(now);
      agent.kill("as you wish");
    } else if (disturbing && options.chaos() && chaos.isDue(caughtUp, now)) {
      proof.latency().disturbed(now);
      agent.kill(caughtUp ? "while it streams" : "while it starts");
    } else {
      return;
    }
    publishedAtRestart = proof.ledger().publishedCount();
    chaos.restarted(System.nanoTime());
  }

  private void attendInventory(boolean disturbing, long now) throws Trouble {
    InventoryChaos.Act due =
        disturbing && options.chaos()
            ? inventoryChaos.due(proof.ledger().consumedCount() > consumedAtRestart, now)
            : InventoryChaos.Act.NONE;
    if (inventory.isOver() && wishes.wantsEnd()) {
      inventory.startAfterCtrlC();
    } else if (inventory.isOver()) {
      proof.latency().effectsDisturbed(now);
      inventory.bury();
    } else if (due == InventoryChaos.Act.KILL || wishes.take(Wish.KILL_INVENTORY)) {
      proof.latency().effectsDisturbed(now);
      inventory.kill("in the middle of its work");
    } else if (due == InventoryChaos.Act.REDELIVER || wishes.take(Wish.REDELIVER)) {
      proof.latency().effectsDisturbed(now);
      redeliver();
    } else {
      return;
    }
    consumedAtRestart = proof.ledger().consumedCount();
  }

  private void redeliver() throws Trouble {
    long messages = cast.inventory().redeliver();
    redeliveries++;
    proof.ledger().redelivered(messages);
    table.note(
        Tone.CAUTION,
        "the inventory's offsets are set back: %,d messages come again".formatted(messages));
  }

  private AgentState agentState(Tally tally) {
    if (agent.isOver()) {
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
    if (tally.consumed() < tally.published()) {
      faults.add("the inventory did not go on; its log ends:\n" + inventory.logTail());
    }
    if (cast.watch().failure() != null) {
      faults.add("the inventory could not be watched: " + cast.watch().failure());
    }
    if (cast.auditor().failure() != null) {
      faults.add("the topic could not be audited: " + cast.auditor().failure());
    }
    for (Life life : List.of(agent, inventory)) {
      if (life.deaths() > 0) {
        faults.add("the %s ended by itself".formatted(life.name()));
      }
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
