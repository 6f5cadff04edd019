package io.outboxinbox.agent.event;

/**
 * What an operator does when events may be missing, worded once for every refusal. Commands are
 * printed as the runbook has them; agent.yml stands for what only the operator knows.
 */
public final class WayOut {

  /** Compares table and topics, publishes what is missing, goes on; only when asked. */
  public static final String RECONCILE_ONCE =
      "'java -jar outbox-agent.jar reconcile agent.yml --pipeline NAME --yes' publishes what is in the table and not in the topics, then goes on";

  /** The same where the agent may do so by itself. */
  public static final String RECONCILE =
      RECONCILE_ONCE + " (with source.onGap: reconcile the agent does so by itself)";

  /** Lists what reconciliations have done. */
  public static final String REPORT_COMMAND =
      "'java -jar outbox-agent.jar reconcile agent.yml --pipeline NAME --report'";

  /** Forgets the position, once every agent of the source is stopped. */
  public static final String RESET_COMMAND =
      "'java -jar outbox-agent.jar reset agent.yml --pipeline NAME --yes'";

  /** The same where older rows were never to be published. */
  public static final String RESET_LEAVING_OUT_COMMAND =
      "'java -jar outbox-agent.jar reset agent.yml --pipeline NAME --leave-out-existing-rows --yes'";

  private static final String ANY_PIPELINE = "--pipeline NAME";

  private WayOut() {}

  /** A text with the commands for a pipeline; who finds a fault does not know whose it is. */
  public static String of(String pipeline, String text) {
    return text.replace(ANY_PIPELINE, "--pipeline " + pipeline);
  }

  /** The same for a database that was rebuilt as another cluster. */
  public static String acceptCluster(String oldSystemId) {
    return "'java -jar outbox-agent.jar reconcile agent.yml --pipeline NAME --accept-cluster %s --yes' goes on from what this database has"
        .formatted(oldSystemId);
  }

  /** Where a source begins from a slot that somebody else has made; rows before it are left out. */
  public static String beginFrom(String slot) {
    return "set source.slot to %s and source.existingRows to skip, stop every agent of the source and run %s, which leaves that slot alone"
        .formatted(slot, RESET_LEAVING_OUT_COMMAND);
  }
}
