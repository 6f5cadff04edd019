package io.outboxinbox.agent.capture;

/** What an operator does when events may be missing, worded once for every refusal. */
public final class WayOut {

  /** Compares table and topics, publishes what is missing, goes on. */
  public static final String RECONCILE =
      "'outbox-agent reconcile CONFIG --pipeline NAME --yes' publishes what is in the table and not"
          + " in the topics, then goes on (with source.onGap: reconcile the agent does so by itself)";

  /** Where the table cannot be compared any more. */
  public static final String RESET =
      "if consumers can stand repeats of rows still in the table (same ids), run 'outbox-agent"
          + " reset' for this pipeline; it starts a new epoch";

  private WayOut() {}

  /** The same for a database that was rebuilt as another cluster. */
  public static String acceptCluster(String oldSystemId) {
    return "'outbox-agent reconcile CONFIG --pipeline NAME --accept-cluster %s --yes' goes on from what this database has"
        .formatted(oldSystemId);
  }
}
