package io.outboxinbox.agent.operate.command;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.operate.ReconcileRequest;
import io.outboxinbox.agent.source.table.Reconciliations.Phantom;
import io.outboxinbox.agent.source.table.Reconciliations.Report;
import io.outboxinbox.agent.source.table.Reconciliations.Request;
import java.io.PrintStream;
import java.util.List;
import java.util.Optional;
import net.sourceforge.argparse4j.inf.Namespace;
import org.jspecify.annotations.Nullable;

/**
 * {@code reconcile CONFIG --pipeline NAME}: says what is missing in the topics; with {@code --yes}
 * asks the running agents to publish it. They do the work; this command starts none.
 */
public final class ReconcileCommand extends PipelineCommand {
  private static final long LOOK_EVERY_MILLIS = 500;

  /** The table has them all; a screen has not. */
  private static final int PHANTOMS_SHOWN = 1_000;

  private final String user;

  public ReconcileCommand(PrintStream out, String user) {
    super("reconcile", "publishes what is in the table and not in the topics, then goes on", out);
    this.user = user;
  }

  @Override
  void addOptions(Options options) {
    options
        .flag("--yes", "do it; without this the command only says what it would do")
        .flag(
            "--wait",
            "with --yes: wait until the agents are done, and print the report; fails when there will be none")
        .flag("--report", "list what earlier reconciliations did, and nothing else")
        .value(
            "--accept-cluster",
            "OLD_ID",
            "system identifier of the cluster this database was before it was rebuilt");
  }

  @Override
  void run(Namespace namespace, PipelineConfiguration pipeline) throws Exception {
    ReconcileRequest reconcile = new ReconcileRequest(pipeline, user);
    if (namespace.getBoolean("report")) {
      List<Report> reports = reconcile.reports();
      reports.forEach(report -> print(report, reconcile));
      out.printf("%d reconciliations of pipeline %s%n", reports.size(), pipeline.name());
      return;
    }
    @Nullable String accepted = namespace.getString("accept_cluster");
    if (!namespace.getBoolean("yes")) {
      preview(reconcile.preview(accepted), accepted);
      return;
    }
    Request request = reconcile.ask(accepted);
    out.printf(
        "asked the agents of pipeline %s for a reconciliation; --report shows what they did%n",
        pipeline.name());
    if (namespace.getBoolean("wait")) {
      print(await(reconcile, request), reconcile);
    }
  }

  private void preview(ReconcileRequest.Preview preview, @Nullable String accepted) {
    if (preview.causes().isEmpty()) {
      out.println("position and log fit together; a reconciliation is not needed");
    }
    preview.causes().forEach(cause -> out.println("cause: " + cause));
    preview
        .tables()
        .forEach(
            table ->
                out.printf(
                    "table %s has %d rows; %d of them may not have been published%s%n",
                    table.name(),
                    table.rows(),
                    table.candidates(),
                    table.knowsPublished()
                        ? ", the others belong to transactions known to be published"
                        : " (nothing is known of any row)"));
    if (preview.refusal() != null) {
      out.println("asked with --yes, the agents would refuse: " + preview.refusal());
      return;
    }
    out.printf(
        "would make slot %s anew, take out of these what is found in the topics, and publish the rest%s. Add --yes to do it.%n",
        preview.slot(),
        accepted == null ? "" : ", going on from what cluster " + accepted + " published");
  }

  private static Report await(ReconcileRequest reconcile, Request request)
      throws InterruptedException {
    // As long as a report may come: whoever asked may end the command, the agents go on.
    while (true) {
      Optional<Report> report = reconcile.reportOf(request);
      if (report.isPresent()) {
        return report.get();
      }
      Thread.sleep(LOOK_EVERY_MILLIS);
    }
  }

  private void print(Report report, ReconcileRequest reconcile) {
    out.printf("reconciliation %d: %s%n", report.number(), report.state());
    out.println("  cause: " + report.cause());
    out.printf(
        "  began %s, ended %s%s%n",
        report.startedAt(),
        report.finishedAt() == null ? "not yet" : report.finishedAt(),
        report.requestedBy() == null ? "" : ", asked for by " + report.requestedBy());
    out.printf(
        "  %d rows in the table, %d candidates, %d found in the topics, %d parked, %d published%n",
        report.rowsInTable(),
        report.candidates(),
        report.foundInTopics(),
        report.alreadyParked(),
        report.published());
    if (report.possibleRepeats() != null) {
      out.println("  repeats (same ids) are possible: " + report.possibleRepeats());
    }
    if (report.notes() != null) {
      out.println("  note: " + report.notes());
    }
    if (report.phantoms() > 0) {
      out.printf("  %d published events have no row any more:%n", report.phantoms());
      reconcile.phantoms(report, PHANTOMS_SHOWN).forEach(this::print);
      if (report.phantoms() > PHANTOMS_SHOWN) {
        out.println("    ... all of them are in table outbox_phantom");
      }
    }
  }

  private void print(Phantom phantom) {
    out.printf(
        "    %s at %s-%d offset %d, sequence %s, %s%n",
        phantom.eventId(),
        phantom.topic(),
        phantom.partition(),
        phantom.offset(),
        phantom.sequence() == null ? "unknown" : phantom.sequence(),
        phantom.publishedAt());
  }
}
