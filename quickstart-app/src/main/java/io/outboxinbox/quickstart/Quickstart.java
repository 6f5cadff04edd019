package io.outboxinbox.quickstart;

import io.outboxinbox.quickstart.screen.Terminal;
import io.outboxinbox.quickstart.screen.Terminal.Tone;
import io.outboxinbox.quickstart.stage.Trouble;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/** Main class. Exit codes: 0 all is well, 1 an event was lost or doubled, 2 it could not run. */
public final class Quickstart {
  private static final int EXIT_CODE_TROUBLE = 2;
  private static final int SEEDS = 10_000;

  private Quickstart() {}

  public static void main(String[] arguments) {
    Terminal terminal = Terminal.standard(System.getenv());
    Wishes wishes = new Wishes();
    wishes.listenToSignals();
    if (Terminal.isInteractive()) {
      wishes.listenToTerminal();
    }
    System.exit(run(List.of(arguments), terminal, wishes));
  }

  /** Runs to the end and returns the exit code. */
  static int run(List<String> arguments, Terminal terminal, Wishes wishes) {
    try {
      // Small, so that it is easily typed again.
      Options options = Options.parse(arguments, ThreadLocalRandom.current().nextLong(SEEDS));
      if (options.help()) {
        terminal.print(Tone.PLAIN, help());
        return 0;
      }
      try (Demonstration demonstration = new Demonstration(options, terminal, wishes)) {
        return demonstration.run() ? 0 : 1;
      }
    } catch (Trouble e) {
      terminal.print(Tone.BAD, "quickstart: " + e.getMessage());
      return EXIT_CODE_TROUBLE;
    }
  }

  private static String help() {
    try (@Nullable InputStream text = Quickstart.class.getResourceAsStream("help.txt")) {
      return text == null ? "" : new String(text.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read the help text", e);
    }
  }
}
