package io.outboxinbox.agent.event;

/** The way back to the source: lets the database recycle log that is no longer needed. */
public interface PositionCommitter {

  /**
   * Confirms that nothing before {@code position} will be asked for again. Cheap; the source
   * flushes with its next poll.
   *
   * @param position of a durable checkpoint
   */
  void commit(SourcePosition position);
}
