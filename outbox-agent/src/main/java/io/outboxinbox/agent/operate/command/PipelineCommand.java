package io.outboxinbox.agent.operate.command;

import io.dropwizard.core.cli.Cli;
import io.dropwizard.core.cli.ConfiguredCommand;
import io.dropwizard.core.setup.Bootstrap;
import io.outboxinbox.agent.configure.AgentConfiguration;
import io.outboxinbox.agent.configure.PipelineConfiguration;
import java.io.PrintStream;
import net.sourceforge.argparse4j.inf.Namespace;
import net.sourceforge.argparse4j.inf.Subparser;

/** A command about one pipeline of a configuration: {@code COMMAND CONFIG --pipeline NAME}. */
abstract class PipelineCommand extends ConfiguredCommand<AgentConfiguration> {
  /** Where answers go; errors and progress go elsewhere. */
  protected final PrintStream out;

  PipelineCommand(String name, String description, PrintStream out) {
    super(name, description);
    this.out = out;
  }

  /** Adds what this command needs beside the pipeline. */
  abstract void addOptions(Options options);

  /** Does it; whatever it throws is explained to the user, with an exit code. */
  abstract void run(Namespace given, PipelineConfiguration pipeline) throws Exception;

  @Override
  protected Class<AgentConfiguration> getConfigurationClass() {
    return AgentConfiguration.class;
  }

  @Override
  public void configure(Subparser subparser) {
    super.configure(subparser);
    subparser.help(getDescription());
    subparser.epilog(ExitCode.HELP);
    addOptions(new Options(subparser).pipeline());
  }

  @Override
  protected final void run(
      Bootstrap<AgentConfiguration> bootstrap, Namespace given, AgentConfiguration config)
      throws Exception {
    run(given, config.pipeline(given.getString("pipeline")));
  }

  @Override
  public void onError(Cli cli, Namespace namespace, Throwable failure) {
    ExitCode.explain(failure, cli.getStdErr());
  }
}
