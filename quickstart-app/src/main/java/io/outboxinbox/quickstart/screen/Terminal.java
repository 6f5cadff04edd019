package io.outboxinbox.quickstart.screen;

import java.io.Console;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.util.Map;

/** Prints lines, in colour where somebody looks at them. */
public final class Terminal {

  /** What a line or a word is about. */
  public enum Tone {
    PLAIN(""),
    DIM("2"),
    GOOD("32"),
    CAUTION("33"),
    BAD("31;1");

    private final String code;

    Tone(String code) {
      this.code = code;
    }
  }

  private final PrintStream out;
  private final boolean colored;

  public Terminal(PrintStream out, boolean colored) {
    this.out = out;
    this.colored = colored;
  }

  /** On standard output, coloured if that is a terminal that can and may. */
  public static Terminal standard(Map<String, String> environment) {
    boolean wanted =
        environment.getOrDefault("NO_COLOR", "").isEmpty()
            && !"dumb".equals(environment.getOrDefault("TERM", ""));
    return new Terminal(System.out, wanted && isInteractive());
  }

  /** Whether a person sits at both ends. */
  @SuppressWarnings("SystemConsoleNull") // The change in JDK 22 is what isTerminal is for.
  public static boolean isInteractive() {
    Console console = System.console();
    if (console == null) {
      return false;
    }
    try {
      // From JDK 22 on there is always a console, and it can be asked.
      return (Boolean) Console.class.getMethod("isTerminal").invoke(console);
    } catch (NoSuchMethodException before22) {
      return true;
    } catch (IllegalAccessException | InvocationTargetException e) {
      return false;
    }
  }

  public void print(Tone tone, String line) {
    out.println(paint(tone, line));
    out.flush();
  }

  /** The text in the tone's colour, or as it is. */
  public String paint(Tone tone, String text) {
    return colored && tone != Tone.PLAIN ? "\u001b[" + tone.code + "m" + text + "\u001b[0m" : text;
  }
}
