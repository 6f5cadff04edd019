package io.outboxinbox.agent.operate.command;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.operate.SourcePause;
import java.io.IOException;
import java.io.PrintStream;
import net.sourceforge.argparse4j.inf.Namespace;

/**
 * {@code pause CONFIG --pipeline NAME --reason TEXT} and {@code resume CONFIG --pipeline NAME}: for
 * all agents of the source, wherever they run.
 */
public final class PauseCommand extends PipelineCommand {
  private final Verb verb;
  private final String user;

  /** What to do. */
  public enum Verb {
    PAUSE("pause", "stops publishing of one pipeline, in all its agents, until resume"),
    RESUME("resume", "lets a paused pipeline publish again");

    private final String word;
    private final String help;

    Verb(String word, String help) {
      this.word = word;
      this.help = help;
    }
  }

  /**
   * Makes the command.
   *
   * @param user who asks, kept with the pause
   */
  public PauseCommand(PrintStream out, Verb verb, String user) {
    super(verb.word, verb.help, out);
    this.verb = verb;
    this.user = user;
  }

  @Override
  void addOptions(Options options) {
    if (verb == Verb.PAUSE) {
      options.required("--reason", "REASON", "shown wherever the state is");
    }
  }

  @Override
  void run(Namespace namespace, PipelineConfiguration pipeline) throws IOException {
    SourcePause source = new SourcePause(pipeline);
    out.println(
        switch (verb) {
          case PAUSE ->
              source.pause(user, namespace.getString("reason"))
                  ? "pipeline %s is paused: nothing is published until resume, and the database keeps its log; watch its disk"
                      .formatted(pipeline.name())
                  : "pipeline %s was paused already; its reason stays as it was"
                      .formatted(pipeline.name());
          case RESUME ->
              source.resume()
                  ? "pipeline %s publishes again within seconds".formatted(pipeline.name())
                  : "pipeline %s was not paused".formatted(pipeline.name());
        });
  }
}
