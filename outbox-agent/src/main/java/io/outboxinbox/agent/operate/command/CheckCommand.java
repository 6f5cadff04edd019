package io.outboxinbox.agent.operate.command;

import io.dropwizard.core.cli.Cli;
import io.dropwizard.core.cli.ConfiguredCommand;
import io.dropwizard.core.setup.Bootstrap;
import io.outboxinbox.agent.configure.AgentConfiguration;
import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Finding.Severity;
import io.outboxinbox.agent.event.WayOut;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import net.sourceforge.argparse4j.inf.Namespace;
import net.sourceforge.argparse4j.inf.Subparser;

/**
 * {@code check CONFIG}: reads the configuration, looks at every database and broker, says what has
 * to be mended and how. Changes nothing.
 */
public final class CheckCommand extends ConfiguredCommand<AgentConfiguration> {
  private final PrintStream out;
  private final List<Function<PipelineConfiguration, List<Finding>>> looks;

  /**
   * Makes the command.
   *
   * @param looks each finds what it can; a failure of one does not keep the others from looking
   */
  public CheckCommand(PrintStream out, List<Function<PipelineConfiguration, List<Finding>>> looks) {
    super("check", "checks configuration, databases and brokers; changes nothing");
    this.out = out;
    this.looks = List.copyOf(looks);
  }

  @Override
  protected Class<AgentConfiguration> getConfigurationClass() {
    return AgentConfiguration.class;
  }

  @Override
  public void configure(Subparser subparser) {
    super.configure(subparser);
    subparser.help(getDescription());
    subparser.epilog(ExitCode.HELP);
  }

  @Override
  protected void run(
      Bootstrap<AgentConfiguration> bootstrap, Namespace namespace, AgentConfiguration config)
      throws ExitCode.FindingsException {
    Map<Severity, Integer> counts = new EnumMap<>(Severity.class);
    for (PipelineConfiguration pipeline : config.pipelines()) {
      out.println("pipeline " + pipeline.name());
      for (Finding finding : findings(pipeline)) {
        counts.merge(finding.severity(), 1, Integer::sum);
        print(pipeline.name(), finding);
      }
    }
    int failures =
        counts.getOrDefault(Severity.MISCONFIGURED, 0)
            + counts.getOrDefault(Severity.GAP, 0)
            + counts.getOrDefault(Severity.FATAL, 0);
    String summary =
        "%d ok, %d to note, %d to mend"
            .formatted(
                counts.getOrDefault(Severity.OK, 0),
                counts.getOrDefault(Severity.WARNING, 0),
                failures);
    out.println(summary);
    if (failures > 0) {
      throw new ExitCode.FindingsException(summary);
    }
  }

  private List<Finding> findings(PipelineConfiguration pipeline) {
    List<Finding> findings = new ArrayList<>(pipeline.cautions());
    for (Function<PipelineConfiguration, List<Finding>> look : looks) {
      try {
        findings.addAll(look.apply(pipeline));
      } catch (AgentException e) {
        findings.add(
            Finding.misconfigured(
                String.valueOf(e.getMessage()), "make it reachable, then check again"));
      }
    }
    // Two looks may see the same thing.
    return findings.stream().distinct().toList();
  }

  private void print(String pipeline, Finding finding) {
    String word =
        switch (finding.severity()) {
          case OK -> "OK   ";
          case WARNING -> "WARN ";
          case MISCONFIGURED, GAP, FATAL -> "FAIL ";
        };
    out.println("  " + word + finding.what());
    if (!finding.fix().isEmpty()) {
      WayOut.of(pipeline, finding.fix())
          .lines()
          .forEach(line -> out.println("       fix: " + line));
    }
  }

  @Override
  public void onError(Cli cli, Namespace namespace, Throwable failure) {
    ExitCode.explain(failure, cli.getStdErr());
  }
}
