package io.outboxinbox.agent.event;

/**
 * All that must survive a crash, written together with the events it covers.
 *
 * @param source whose checkpoint it is
 * @param pipeline name in the configuration at the time of writing, to recognise a rebuilt cluster
 * @param timeline PostgreSQL's timeline the position belongs to
 * @param slot replication slot the position was read from
 * @param publicationMark identifies the table's membership in the publication; a table taken out
 *     and put back has another mark, because rows written in between are in no stream
 * @param epoch goes up whenever {@code sequence} may restart
 * @param sequence number of the last event covered, 0 before the first
 * @param backlogOrdinal how many of the rows older than the slot are published; {@link
 *     #BACKLOG_DONE} once all are
 * @param position where to go on reading
 */
public record Checkpoint(
    SourceIdentity source,
    String pipeline,
    int timeline,
    String slot,
    String publicationMark,
    long epoch,
    long sequence,
    long backlogOrdinal,
    SourcePosition position) {

  /** Nothing older than the slot is left to publish. */
  public static final long BACKLOG_DONE = -1;

  public boolean isBacklogDone() {
    return backlogOrdinal == BACKLOG_DONE;
  }

  /** The same source further on in its log. */
  public Checkpoint advancedTo(SourcePosition newPosition, long newSequence) {
    return new Checkpoint(
        source,
        pipeline,
        timeline,
        slot,
        publicationMark,
        epoch,
        newSequence,
        backlogOrdinal,
        newPosition);
  }

  /** The same source further on in its backlog. */
  public Checkpoint withBacklog(long newBacklogOrdinal, long newSequence) {
    return new Checkpoint(
        source,
        pipeline,
        timeline,
        slot,
        publicationMark,
        epoch,
        newSequence,
        newBacklogOrdinal,
        position);
  }
}
