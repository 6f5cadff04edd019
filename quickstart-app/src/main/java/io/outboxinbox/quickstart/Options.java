package io.outboxinbox.quickstart;

import io.outboxinbox.quickstart.stage.Ports;
import io.outboxinbox.quickstart.stage.Trouble;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The command line.
 *
 * @param agentJar the packaged agent; the launching script names it
 * @param limit null to run until Ctrl-C
 */
record Options(
    boolean help,
    @Nullable Path agentJar,
    @Nullable Duration limit,
    int eventsPerSecond,
    boolean chaos,
    long seed,
    Ports ports,
    Path workIn,
    boolean keep) {

  private static final int RATE_DEFAULT = 200;
  private static final int RATE_MAX = 5_000;
  private static final int SECONDS_MAX = 30 * 24 * 3_600;
  private static final int PORT_MAX = 65_535;

  /**
   * Reads the words of the command line.
   *
   * @param randomSeed used unless the command line names one
   * @throws Trouble names the word that is wrong and what is right
   */
  static Options parse(List<String> words, long randomSeed) throws Trouble {
    boolean help = false;
    Path agentJar = null;
    Duration limit = null;
    int rate = RATE_DEFAULT;
    boolean chaos = false;
    long seed = randomSeed;
    Ports ports = Ports.FREE;
    Path workIn = Path.of(System.getProperty("java.io.tmpdir"));
    boolean keep = false;
    for (Iterator<String> rest = words.iterator(); rest.hasNext(); ) {
      String option = rest.next();
      switch (option) {
        case "--help", "-h" -> help = true;
        case "--agent-jar" -> agentJar = Path.of(valueOf(option, rest));
        case "--seconds" -> limit = Duration.ofSeconds(number(option, rest, 1, SECONDS_MAX));
        case "--rate" -> rate = (int) number(option, rest, 1, RATE_MAX);
        case "--chaos" -> chaos = true;
        case "--seed" -> seed = number(option, rest, Long.MIN_VALUE, Long.MAX_VALUE);
        case "--ports" -> ports = ports(option, valueOf(option, rest));
        case "--work-in" -> workIn = directory(option, valueOf(option, rest));
        case "--keep" -> keep = true;
        default -> throw new Trouble("unknown option " + option + "; --help lists them all");
      }
    }
    return new Options(help, agentJar, limit, rate, chaos, seed, ports, workIn, keep);
  }

  private static String valueOf(String option, Iterator<String> rest) throws Trouble {
    if (!rest.hasNext()) {
      throw new Trouble(option + " needs a value; --help shows which");
    }
    return rest.next();
  }

  private static long number(String option, Iterator<String> rest, long min, long max)
      throws Trouble {
    return number(option, valueOf(option, rest), min, max);
  }

  private static long number(String option, String text, long min, long max) throws Trouble {
    try {
      long number = Long.parseLong(text);
      if (number >= min && number <= max) {
        return number;
      }
    } catch (NumberFormatException e) {
      throw new Trouble(option + " " + text + ": must be a whole number", e);
    }
    throw new Trouble(option + " " + text + ": must be from " + min + " to " + max);
  }

  private static Ports ports(String option, String text) throws Trouble {
    List<String> parts = List.of(text.split(",", -1));
    if (parts.size() != 3) {
      throw new Trouble(
          option
              + " "
              + text
              + ": must be three numbers, for PostgreSQL, Kafka and the agent, such as 5433,9093,8082");
    }
    Ports ports =
        new Ports(
            (int) number(option, parts.get(0), 1, PORT_MAX),
            (int) number(option, parts.get(1), 1, PORT_MAX),
            (int) number(option, parts.get(2), 1, PORT_MAX));
    if (ports.postgres() == ports.kafka()
        || ports.kafka() == ports.agent()
        || ports.agent() == ports.postgres()) {
      throw new Trouble(option + " " + text + ": the three must differ");
    }
    return ports;
  }

  private static Path directory(String option, String text) throws Trouble {
    Path directory = Path.of(text).toAbsolutePath();
    if (!Files.isDirectory(directory)) {
      throw new Trouble(option + " " + text + ": there is no such directory");
    }
    return directory;
  }
}
