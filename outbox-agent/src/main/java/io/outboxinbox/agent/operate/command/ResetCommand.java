package io.outboxinbox.agent.operate.command;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.operate.SourceReset;
import io.outboxinbox.agent.source.SourceConfiguration;
import java.io.IOException;
import java.io.PrintStream;
import java.util.List;
import net.sourceforge.argparse4j.inf.Namespace;

/**
 * {@code reset CONFIG --pipeline NAME --yes}: forgets slot, position and backlog of one source; its
 * next start begins a new epoch.
 */
public final class ResetCommand extends PipelineCommand {
  private final String holder;

  public ResetCommand(PrintStream out, String holder) {
    super("reset", "forgets the position of one pipeline; its next start begins a new epoch", out);
    this.holder = holder;
  }

  @Override
  void addOptions(Options options) {
    options
        .flag(
            "--yes",
            "do it, with every agent of the source stopped; without this the command only says what it would do")
        .flag(
            "--leave-out-existing-rows",
            "needed with existingRows: skip; rows in the table will then never be published");
  }

  @Override
  void run(Namespace namespace, PipelineConfiguration pipeline) throws Exception {
    SourceConfiguration configured = pipeline.source();
    List<String> skipped = configured.skippedTables();
    String next =
        configured.skipsExistingRows()
            ? "the next start publishes only what comes through the slot then, and none of the rows of before"
            : "the next start publishes every row still in the table again, with the same ids, but for those parked or discarded"
                + (skipped.isEmpty()
                    ? ""
                    : ", and none of the rows of before of " + String.join(", ", skipped));
    if (!skipped.isEmpty() && !namespace.getBoolean("leave_out_existing_rows")) {
      throw new IOException(
          "pipeline %s has existingRows: skip, so rows that were missed would never be published; set it to publish, or add --leave-out-existing-rows"
              .formatted(pipeline.name()));
    }
    if (!namespace.getBoolean("yes")) {
      out.printf(
          "would drop the slot of pipeline %s, if it is its own, and forget its position and backlog; %s. Add --yes to do it.%n",
          pipeline.name(), next);
      return;
    }
    String source = new SourceReset(pipeline, holder).run();
    out.printf("source %s is forgotten; %s%n", source, next);
  }
}
