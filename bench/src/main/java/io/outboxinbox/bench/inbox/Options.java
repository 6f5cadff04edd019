package io.outboxinbox.bench.inbox;

import java.util.EnumSet;
import java.util.Locale;
import java.util.Set;

/** What can be chosen on the command line. */
record Options(Sizes sizes, Set<Part> parts, boolean isStrict) {
  /** What can be measured without the rest. */
  enum Part {
    /** The inbox beside a handler: one by one, in batches, repeats. */
    OVERHEAD,
    /** Foreign ids and marks. */
    OTHERS,
    /** Thirty days of ids. */
    MONTH
  }

  /** Thirty days in twenty steps of whole batches. */
  private static final int IDS_UNIT = 20 * Feed.BATCH;

  /**
   * Reads the command line.
   *
   * @throws IllegalArgumentException a word is unknown or a number is not usable
   */
  static Options parse(String... arguments) {
    Sizes sizes = Sizes.full();
    Set<Part> parts = EnumSet.allOf(Part.class);
    boolean isStrict = false;
    for (String argument : arguments) {
      if (argument.equals("--strict")) {
        isStrict = true;
      } else if (argument.equals("--quick")) {
        sizes = Sizes.quick();
      } else if (argument.startsWith("--only=")) {
        parts = EnumSet.of(part(argument));
      } else if (argument.startsWith("--ids=")) {
        sizes = sizes.withDatedIds(ids(argument));
      } else {
        throw new IllegalArgumentException(
            "unknown word " + argument + "; use --quick, --only=PART, --ids=NUMBER or --strict");
      }
    }
    return new Options(sizes, parts, isStrict);
  }

  private static Part part(String argument) {
    String name = argument.substring(argument.indexOf('=') + 1).toUpperCase(Locale.ROOT);
    for (Part part : Part.values()) {
      if (part.name().equals(name)) {
        return part;
      }
    }
    throw new IllegalArgumentException(argument + ": must be overhead, others or month");
  }

  private static int ids(String argument) {
    String text = argument.substring(argument.indexOf('=') + 1);
    int number = text.matches("[0-9]{1,9}") ? Integer.parseInt(text) : 0;
    if (number == 0 || number % IDS_UNIT != 0) {
      throw new IllegalArgumentException(
          argument + ": must be a positive multiple of " + IDS_UNIT + ", below a thousand million");
    }
    return number;
  }
}
