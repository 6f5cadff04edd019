package io.outboxinbox.agent;

import io.dropwizard.core.Application;
import io.dropwizard.core.setup.Bootstrap;
import io.dropwizard.core.setup.Environment;
import io.outboxinbox.agent.configure.AgentConfiguration;
import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.configure.StrictConfigurationFactory;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.observe.DeadThreads;
import io.outboxinbox.agent.observe.Observatory;
import io.outboxinbox.agent.observe.ObservedPipeline;
import io.outboxinbox.agent.observe.RunningAgent;
import io.outboxinbox.agent.operate.ParkedDesk;
import io.outboxinbox.agent.operate.PositionCheck;
import io.outboxinbox.agent.operate.command.CheckCommand;
import io.outboxinbox.agent.operate.command.ExitCode;
import io.outboxinbox.agent.operate.command.ParkedCommand;
import io.outboxinbox.agent.operate.command.PauseCommand;
import io.outboxinbox.agent.operate.command.ReconcileCommand;
import io.outboxinbox.agent.operate.command.ReplayCommand;
import io.outboxinbox.agent.operate.command.ResetCommand;
import io.outboxinbox.agent.operate.command.SchemaCommand;
import io.outboxinbox.agent.operate.command.ServeCommand;
import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.publish.kafka.KafkaConfiguration;
import io.outboxinbox.agent.source.inspect.SourcePreflight;
import io.outboxinbox.agent.source.outbox.Retention;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.NetworkConnector;
import org.eclipse.jetty.server.Server;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Main class and wiring; the only one that knows every room and every broker. */
public final class OutboxAgent extends Application<AgentConfiguration> {
  private static final Logger LOG = LoggerFactory.getLogger(OutboxAgent.class);

  /** Somebody waits for the page. */
  private static final int DESK_ANSWER_SECONDS = 5;

  private final UnaryOperator<@Nullable String> environmentVariables;

  OutboxAgent(UnaryOperator<@Nullable String> environmentVariables) {
    this.environmentVariables = environmentVariables;
  }

  /** Runs a command; exits with the codes of {@link ExitCode}, or goes on running as a server. */
  public static void main(String[] arguments) throws Exception {
    Locales.printAnything();
    Optional<String> unreadable = Locales.unreadable(arguments);
    if (unreadable.isPresent()) {
      System.err.println(unreadable.get());
      System.exit(ExitCode.CONFIGURATION.number());
    }
    new OutboxAgent(System::getenv).run(arguments);
  }

  @Override
  public String getName() {
    return "outbox-agent";
  }

  @Override
  public void initialize(Bootstrap<AgentConfiguration> bootstrap) {
    bootstrap.getObjectMapper().registerSubtypes(KafkaConfiguration.class);
    bootstrap.setConfigurationFactoryFactory(
        (type, validator, mapper, propertyPrefix) ->
            new StrictConfigurationFactory<>(
                type, AgentConfiguration.DEFAULTS, validator, mapper, environmentVariables));
  }

  @Override
  protected void addDefaultCommands(Bootstrap<AgentConfiguration> bootstrap) {
    bootstrap.addCommand(new ServeCommand(this));
    bootstrap.addCommand(check(System.out));
    bootstrap.addCommand(new ReconcileCommand(System.out, user()));
    bootstrap.addCommand(new ResetCommand(System.out, self().name()));
    bootstrap.addCommand(new PauseCommand(System.out, PauseCommand.Verb.PAUSE, user()));
    bootstrap.addCommand(new PauseCommand(System.out, PauseCommand.Verb.RESUME, user()));
    bootstrap.addCommand(new ParkedCommand(System.out, Clock.systemUTC()));
    bootstrap.addCommand(new ReplayCommand(System.out, System.err));
    bootstrap.addCommand(new SchemaCommand(System.out));
  }

  static CheckCommand check(PrintStream out) {
    return new CheckCommand(
        out,
        List.of(
            OutboxAgent::source, OutboxAgent::broker, PositionCheck::run, OutboxAgent::retention));
  }

  private static List<Finding> source(PipelineConfiguration pipeline) {
    return SourcePreflight.check(pipeline.source(), pipeline.needsPositions());
  }

  private static List<Finding> retention(PipelineConfiguration pipeline) {
    return pipeline.retention().kept().isPresent() ? Retention.check(pipeline.source()) : List.of();
  }

  private static List<Finding> broker(PipelineConfiguration pipeline) {
    return pipeline.publish().preflight(pipeline.router().fixedTopics());
  }

  @Override
  public void run(AgentConfiguration configuration, Environment environment) {
    // There is no public API; without this, Jersey would warn that it has nothing to serve.
    environment.jersey().disable();
    List<PipelineLifecycle.Part> parts = new ArrayList<>();
    List<ObservedPipeline> observed = new ArrayList<>();
    Clock clock = Clock.systemUTC();
    RunningAgent agent = self();
    LOG.info("version {}, named {} in the database", agent.version(), agent.name());
    for (PipelineConfiguration pipeline : configuration.pipelines()) {
      pipeline
          .cautions()
          .forEach(
              caution ->
                  LOG.warn("pipeline {}: {}; {}", pipeline.name(), caution.what(), caution.fix()));
      Pipeline running = new Pipeline(pipeline, agent.name(), clock, new SplittableRandom());
      parts.add(new PipelineLifecycle.Part(pipeline.name(), running::start, running::stop));
      observed.add(
          new ObservedPipeline(
              running::status, pipeline.leadership().stallAfter(), () -> desk(pipeline)));
    }
    Observatory.install(environment, agent, observed, DeadThreads.watch(), clock);
    environment.lifecycle().manage(new PipelineLifecycle(parts));
    environment.lifecycle().addServerLifecycleListener(OutboxAgent::announce);
  }

  /** Who asks for something, as far as this machine knows. */
  private static String user() {
    return System.getProperty("user.name", "unknown") + " on " + host();
  }

  private static ParkedDesk desk(PipelineConfiguration pipeline) {
    return ParkedDesk.open(
        pipeline.source(), ParkedDesk.Templates.of(pipeline), DESK_ANSWER_SECONDS);
  }

  private static RunningAgent self() {
    return RunningAgent.of(OutboxAgent.class, host());
  }

  private static String host() {
    try {
      return InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException e) {
      LOG.debug("this host has no name", e);
      return "unknown-host";
    }
  }

  private static void announce(Server server) {
    for (Connector connector : server.getConnectors()) {
      if (connector instanceof NetworkConnector port) {
        String host = port.getHost() == null ? "every address" : port.getHost();
        LOG.info("started; health, status and metrics on {} port {}", host, port.getLocalPort());
      }
    }
  }

  @Override
  protected void onFatalError(Throwable failure) {
    System.exit(ExitCode.of(failure).number());
  }
}
