package io.outboxinbox.inbox;

/**
 * Something about the inbox's tables that a person should look at before it hurts.
 *
 * @param problem what was seen, with its values
 * @param fix the way out
 */
public record Finding(Kind kind, String problem, String fix) {

  /** What is wrong. */
  public enum Kind {
    /** Tomorrow's messages would go to the default partition. */
    NO_PARTITION_FOR_TOMORROW,
    /** Dated messages come to the default partition, where forgetting them costs a delete. */
    DEFAULT_PARTITION_GROWS,
    /** The floor has not moved for days: the tables grow. */
    NOBODY_CLEANS,
    /** The floor lies in the future: a clock was ahead, and every new message is too old. */
    FLOOR_AHEAD,
    /** Dead letters that can no longer be retried, because the inbox may have forgotten them. */
    DEAD_LETTERS_BELOW_FLOOR,
    /** The database may lose commits when it crashes, and the broker will not send them again. */
    COMMITS_NOT_DURABLE,
    /** Messages can come again after the inbox has forgotten them. */
    KEPT_TOO_SHORT
  }

  @Override
  public String toString() {
    return kind + ": " + problem + "; " + fix;
  }
}
