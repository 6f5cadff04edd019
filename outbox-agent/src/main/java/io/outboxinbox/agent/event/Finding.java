package io.outboxinbox.agent.event;

/**
 * One result of looking at the surroundings before or while running.
 *
 * @param severity whether the pipeline may run
 * @param what who, what, actual value, limit
 * @param fix SQL or command that mends it, in one line; a remark stands between {@code /*} and its
 *     end, since another statement may follow; empty for {@link Severity#OK}
 */
public record Finding(Severity severity, String what, String fix) {

  /** What a finding means for the pipeline. */
  public enum Severity {
    /** As it should be. */
    OK,
    /** Works, but deserves attention. */
    WARNING,
    /** Must be mended first; nothing has been missed. */
    MISCONFIGURED,
    /** Events may be in no stream; a reconciliation of table and topics publishes them. */
    GAP,
    /** Events may be missing or would be; an operator has to decide. */
    FATAL;

    /** Whether a pipeline goes on in spite of it. */
    public boolean goesOn() {
      return this == OK || this == WARNING;
    }
  }

  public static Finding ok(String what) {
    return new Finding(Severity.OK, what, "");
  }

  public static Finding warning(String what, String fix) {
    return new Finding(Severity.WARNING, what, fix);
  }

  public static Finding misconfigured(String what, String fix) {
    return new Finding(Severity.MISCONFIGURED, what, fix);
  }

  public static Finding gap(String what, String fix) {
    return new Finding(Severity.GAP, what, fix);
  }

  public static Finding fatal(String what, String fix) {
    return new Finding(Severity.FATAL, what, fix);
  }
}
