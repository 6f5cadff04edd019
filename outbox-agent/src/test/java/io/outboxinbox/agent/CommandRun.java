package io.outboxinbox.agent;

import io.dropwizard.core.cli.Cli;
import io.dropwizard.core.cli.Command;
import io.dropwizard.core.setup.Bootstrap;
import io.dropwizard.util.JarLocation;
import io.outboxinbox.agent.configure.AgentConfiguration;
import io.outboxinbox.agent.operate.command.ExitCode;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;

/** A command run in this process as an operator types it: what it printed and how it ended. */
public record CommandRun(int exitCode, String out, String err) {

  /**
   * Runs a command.
   *
   * @param command made for what it prints to, first answers and then progress
   */
  public static CommandRun of(
      BiFunction<PrintStream, PrintStream, Command> command, List<String> line) throws Exception {
    OutboxAgent agent = agent();
    Bootstrap<AgentConfiguration> bootstrap = new Bootstrap<>(agent);
    agent.initialize(bootstrap);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    PrintStream answers = new PrintStream(out, true, StandardCharsets.UTF_8);
    PrintStream progress = new PrintStream(err, true, StandardCharsets.UTF_8);
    bootstrap.addCommand(command.apply(answers, progress));
    int exitCode =
        new Cli(new JarLocation(OutboxAgent.class), bootstrap, answers, err)
            .run(line.toArray(String[]::new))
            .map(failure -> ExitCode.of(failure).number())
            .orElse(0);
    return new CommandRun(
        exitCode, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
  }

  /** The program, of which no command has run. */
  public static OutboxAgent agent() {
    return new OutboxAgent(Map.<String, String>of()::get);
  }
}
