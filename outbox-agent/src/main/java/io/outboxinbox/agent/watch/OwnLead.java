package io.outboxinbox.agent.watch;

/**
 * What only the process itself knows of its lead. Names tell nothing: two agents may have the same
 * one. Any thread may ask.
 */
public interface OwnLead {
  /**
   * Whether it reads the slot, or only its own start, which holds the lock, is still in between.
   */
  boolean isReading();

  /** Whether it waits for people to decide, and until then for nothing else. */
  boolean isStopped();

  /**
   * Whether it gave this sign of life itself, the last one there is of the source.
   *
   * @param source whose count the number is of
   */
  boolean hasPulsed(String source, long number);
}
