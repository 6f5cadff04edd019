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
 * @param parking how far the table of parked events is covered
 * @param endedXid every transaction with a smaller id (64-bit, with its wrap-arounds) had ended
 *     before {@code position}: its rows are published or parked; 0 when not known
 * @param reconciliation number of the last reconciliation that this checkpoint follows; 0 for none.
 *     While its backlog is being published, that backlog is what the reconciliation found missing
 * @param backlogEnd number of the last row older than the slot; a list that ends before it has lost
 *     rows. 0 when not known, as in checkpoints of earlier versions, or when there is none
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
    SourcePosition position,
    Parking parking,
    long endedXid,
    long reconciliation,
    long backlogEnd) {

  /** Nothing older than the slot is left to publish. */
  public static final long BACKLOG_DONE = -1;

  /**
   * What the broker knows of {@code outbox_parked}. The table is written before the position moves
   * on, so after a crash it may hold more than this; the leader takes that back.
   *
   * @param lastOrdinal of the last parked event that the position has passed; 0 for none
   * @param lastRelease number of the last batch of parked events that was published; 0 for none
   */
  public record Parking(long lastOrdinal, long lastRelease) {
    public static final Parking NONE = new Parking(0, 0);
  }

  public boolean isBacklogDone() {
    return backlogOrdinal == BACKLOG_DONE;
  }

  /** Whether a pipeline of this name wrote it for a cluster that is gone. */
  public boolean isOfRebuiltCluster(String pipelineName, SourceIdentity now) {
    return pipeline.equals(pipelineName)
        && source.database().equals(now.database())
        && source.publication().equals(now.publication())
        && !source.systemId().equals(now.systemId());
  }

  /** The same source further on in its log. */
  public Checkpoint advancedTo(SourcePosition newPosition, long newSequence) {
    return with(newPosition, newSequence, backlogOrdinal, parking, endedXid);
  }

  /** The same source further on in its backlog. */
  public Checkpoint withBacklog(long newBacklogOrdinal, long newSequence) {
    return with(position, newSequence, newBacklogOrdinal, parking, endedXid);
  }

  /** The same source with more events parked or released. */
  public Checkpoint withParking(Parking newParking) {
    return with(position, sequence, backlogOrdinal, newParking, endedXid);
  }

  /** The same source knowing of more transactions that they have ended. */
  public Checkpoint withEndedXid(long newEndedXid) {
    return with(position, sequence, backlogOrdinal, parking, newEndedXid);
  }

  /** The same source after its server was promoted; the position is on the new timeline too. */
  public Checkpoint onTimeline(int newTimeline) {
    return with(newTimeline, slot, publicationMark, epoch);
  }

  /** The same source read from this slot from now on. */
  public Checkpoint throughSlot(String newSlot) {
    return with(timeline, newSlot, publicationMark, epoch);
  }

  /** The same source with a mark that says more. */
  public Checkpoint withPublicationMark(String newPublicationMark) {
    return with(timeline, slot, newPublicationMark, epoch);
  }

  /** The same place, from which on numbers may have been given to other events before. */
  public Checkpoint inEpoch(long newEpoch) {
    return with(timeline, slot, publicationMark, newEpoch);
  }

  private Checkpoint with(
      int newTimeline, String newSlot, String newPublicationMark, long newEpoch) {
    return new Checkpoint(
        source,
        pipeline,
        newTimeline,
        newSlot,
        newPublicationMark,
        newEpoch,
        sequence,
        backlogOrdinal,
        position,
        parking,
        endedXid,
        reconciliation,
        backlogEnd);
  }

  private Checkpoint with(
      SourcePosition newPosition,
      long newSequence,
      long newBacklogOrdinal,
      Parking newParking,
      long newEndedXid) {
    return new Checkpoint(
        source,
        pipeline,
        timeline,
        slot,
        publicationMark,
        epoch,
        newSequence,
        newBacklogOrdinal,
        newPosition,
        newParking,
        newEndedXid,
        reconciliation,
        backlogEnd);
  }
}
