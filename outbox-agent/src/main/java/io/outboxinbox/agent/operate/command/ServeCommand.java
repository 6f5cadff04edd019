package io.outboxinbox.agent.operate.command;

import io.dropwizard.core.Application;
import io.dropwizard.core.cli.Cli;
import io.dropwizard.core.cli.ServerCommand;
import io.outboxinbox.agent.configure.AgentConfiguration;
import net.sourceforge.argparse4j.inf.Namespace;
import net.sourceforge.argparse4j.inf.Subparser;

/** {@code server CONFIG}: runs every pipeline until the process is told to end. */
public final class ServeCommand extends ServerCommand<AgentConfiguration> {
  public ServeCommand(Application<AgentConfiguration> application) {
    super(application, "server", "publishes events until it is told to end");
  }

  @Override
  public void configure(Subparser subparser) {
    super.configure(subparser);
    subparser.help(getDescription());
    subparser.epilog(ExitCode.HELP);
  }

  @Override
  public void onError(Cli cli, Namespace namespace, Throwable failure) {
    ExitCode.explain(failure, cli.getStdErr());
  }
}
