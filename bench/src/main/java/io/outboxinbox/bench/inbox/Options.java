package io.outboxinbox.bench.inbox;

/** What can be chosen on the command line. */
record Options(Sizes sizes, boolean isStrict) {
  /** Thirty days in twenty steps of whole batches. */
  private static final int IDS_UNIT = 20 * Feed.BATCH;

  /**
   * Reads the command line.
   *
   * @throws IllegalArgumentException a word is unknown or a number is not usable
   */
  static Options parse(String... arguments) {
    Sizes sizes = Sizes.full();
    boolean isStrict = false;
    for (String argument : arguments) {
      if (argument.equals("--strict")) {
        isStrict = true;
      } else if (argument.equals("--quick")) {
        sizes = Sizes.quick();
      } else if (argument.startsWith("--ids=")) {
        sizes = sizes.withDatedIds(ids(argument));
      } else {
        throw new IllegalArgumentException(
            "unknown word " + argument + "; use --quick, --ids=NUMBER or --strict");
      }
    }
    return new Options(sizes, isStrict);
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
