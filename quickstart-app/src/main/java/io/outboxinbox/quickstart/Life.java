package io.outboxinbox.quickstart;

import io.outboxinbox.quickstart.screen.LiveTable;
import io.outboxinbox.quickstart.screen.Terminal.Tone;
import io.outboxinbox.quickstart.stage.Service;
import io.outboxinbox.quickstart.stage.Trouble;

/** Kills a process, notices when it dies by itself, starts it again, and counts. */
final class Life {
  /** Who keeps dying by itself is not to be demonstrated. */
  private static final int DEATHS_MAX = 5;

  private final String name;
  private final Service process;
  private final LiveTable table;
  private int kills;
  private int deaths;

  Life(String name, Service process, LiveTable table) {
    this.name = name;
    this.process = process;
    this.table = table;
  }

  String name() {
    return name;
  }

  String logTail() {
    return process.logTail();
  }

  boolean isOver() {
    return !process.isAlive();
  }

  int kills() {
    return kills;
  }

  int deaths() {
    return deaths;
  }

  void kill(String when) throws Trouble {
    long pid = process.kill();
    kills++;
    table.note(
        Tone.CAUTION,
        "kill -9 of the %s, pid %d, %s; starting it again".formatted(name, pid, when));
    process.start();
  }

  /** Starts it again after a Ctrl-C that went to the whole terminal and reached it as well. */
  void startAfterCtrlC() throws Trouble {
    process.start();
  }

  /** Starts it again after it has ended by itself. */
  void bury() throws Trouble {
    deaths++;
    table.note(
        Tone.BAD,
        "the %s ended by itself, code %d; see %s"
            .formatted(name, process.exitCode(), process.log()));
    if (deaths > DEATHS_MAX) {
      throw new Trouble(
          "the %s ended by itself %d times; its log ends:%n%s"
              .formatted(name, deaths, process.logTail()));
    }
    process.start();
  }
}
