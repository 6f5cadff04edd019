package io.outboxinbox.agent.event;

import java.util.ArrayList;
import java.util.List;

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

  /** Findings in the order in which they are made. Used by one thread. */
  public static final class Collector {
    private final List<Finding> found = new ArrayList<>();

    public void add(Finding finding) {
      found.add(finding);
    }

    public void ok(String what) {
      add(Finding.ok(what));
    }

    public void warning(String what, String fix) {
      add(Finding.warning(what, fix));
    }

    public void misconfigured(String what, String fix) {
      add(Finding.misconfigured(what, fix));
    }

    public void gap(String what, String fix) {
      add(Finding.gap(what, fix));
    }

    /** All of them. */
    public List<Finding> found() {
      return List.copyOf(found);
    }

    /** All of them; where there is none, that all is as it should be. */
    public List<Finding> orOk(String what) {
      return found.isEmpty() ? List.of(Finding.ok(what)) : found();
    }
  }
}
