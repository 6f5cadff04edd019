package io.outboxinbox.agent.source.inspect;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Finding.Severity;
import io.outboxinbox.agent.event.WayOut;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Decides what findings mean for one pipeline. */
public final class Findings {
  private static final Logger LOG = LoggerFactory.getLogger(Findings.class);

  /** Warnings logged already: every start finds the same ones again. */
  private final Set<String> told = ConcurrentHashMap.newKeySet();

  private final String pipeline;

  /** Makes those of the pipeline of that name. */
  public Findings(String pipeline) {
    this.pipeline = pipeline;
  }

  /**
   * Goes on only if nothing forbids it; each warning is logged once.
   *
   * @throws AgentException.Fatal events may be missing
   * @throws AgentException.Gap events may be in no stream, and all else is as it should be
   * @throws AgentException.Misconfigured something must be mended first
   */
  public void require(List<Finding> findings) {
    refuse(findings);
    of(findings, Severity.WARNING).stream()
        .filter(finding -> told.add(finding.what()))
        .forEach(
            finding -> LOG.warn("{}; fix: {}", finding.what(), WayOut.of(pipeline, finding.fix())));
  }

  /** The same without logging, for looking again while running. */
  public static void refuse(List<Finding> findings) {
    List<Finding> fatal = of(findings, Severity.FATAL);
    if (!fatal.isEmpty()) {
      throw new AgentException.Fatal(what(fatal), fix(fatal));
    }
    List<Finding> misconfigured = of(findings, Severity.MISCONFIGURED);
    if (!misconfigured.isEmpty()) {
      throw new AgentException.Misconfigured(what(misconfigured), fix(misconfigured));
    }
    List<Finding> gaps = of(findings, Severity.GAP);
    if (!gaps.isEmpty()) {
      throw new AgentException.Gap(what(gaps), fix(gaps));
    }
  }

  private static List<Finding> of(List<Finding> findings, Severity severity) {
    return findings.stream().filter(finding -> finding.severity() == severity).toList();
  }

  private static String what(List<Finding> findings) {
    return findings.stream().map(Finding::what).collect(Collectors.joining("; "));
  }

  /** One behind the other, so that statements among them run as they are copied. */
  private static String fix(List<Finding> findings) {
    return findings.stream()
        .map(Finding::fix)
        .distinct()
        .reduce(
            (before, next) ->
                before + (before.endsWith(";") || before.endsWith("*/") ? " " : "; ") + next)
        .orElse("");
  }
}
