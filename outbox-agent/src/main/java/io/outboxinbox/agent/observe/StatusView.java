package io.outboxinbox.agent.observe;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.outboxinbox.agent.pipeline.PipelineStatus;
import java.time.Clock;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The pipelines' status for programs, for orchestrators and for people. */
final class StatusView {
  private final List<ObservedPipeline> pipelines;
  private final Clock clock;
  private final ObjectMapper mapper;

  StatusView(List<ObservedPipeline> pipelines, Clock clock, ObjectMapper mapper) {
    this.pipelines = List.copyOf(pipelines);
    this.clock = clock;
    this.mapper = mapper;
  }

  /** Each pipeline's status as it is, with {@code ready} and {@code problem} added. */
  Page json() {
    ObjectNode root = mapper.createObjectNode();
    ArrayNode list = mapper.createArrayNode();
    boolean allReady = true;
    for (ObservedPipeline pipeline : pipelines) {
      PipelineStatus status = pipeline.status();
      String problem = pipeline.problem(status, clock.instant());
      allReady &= problem.isEmpty();
      ObjectNode entry = mapper.valueToTree(status);
      list.add(entry.put("ready", problem.isEmpty()).put("problem", problem));
    }
    root.put("ready", allReady).set("pipelines", list);
    try {
      String body = mapper.writerWithDefaultPrettyPrinter().writeValueAsString(root);
      return new Page(Page.OK, "application/json", body + "\n");
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("status cannot be written as JSON", e);
    }
  }

  /** Whether another start of the process would help; a broker or database away does not count. */
  Page liveness(DeadThreads deadThreads) {
    StringBuilder problems = new StringBuilder(deadThreads.lines());
    for (ObservedPipeline pipeline : pipelines) {
      PipelineStatus status = pipeline.status();
      if (status.state().needsNewProcess()) {
        problems
            .append(status.name())
            .append(": ")
            .append(pipeline.problem(status, clock.instant()))
            .append('\n');
      }
    }
    return problems.isEmpty()
        ? Page.text(Page.OK, "live\n")
        : Page.text(Page.UNAVAILABLE, problems.toString());
  }

  /** One line per pipeline that is not ready. */
  Page readiness() {
    StringBuilder problems = new StringBuilder();
    for (ObservedPipeline pipeline : pipelines) {
      PipelineStatus status = pipeline.status();
      String problem = pipeline.problem(status, clock.instant());
      if (!problem.isEmpty()) {
        problems.append(status.name()).append(": ").append(problem).append('\n');
      }
    }
    return problems.isEmpty()
        ? Page.text(Page.OK, "ready\n" + warnings())
        : Page.text(Page.UNAVAILABLE, problems + warnings());
  }

  /** What is well now but may not stay so: it makes no agent unready, another has it too. */
  private String warnings() {
    StringBuilder warnings = new StringBuilder();
    for (ObservedPipeline pipeline : pipelines) {
      PipelineStatus status = pipeline.status();
      for (String warning : List.of(status.wal().warning(), status.retention().warning())) {
        if (!warning.isEmpty()) {
          warnings.append(status.name()).append(": warning: ").append(warning).append('\n');
        }
      }
    }
    return warnings.toString();
  }

  Page html() {
    StringBuilder rows = new StringBuilder();
    for (ObservedPipeline pipeline : pipelines) {
      PipelineStatus status = pipeline.status();
      rows.append(row(status, pipeline.problem(status, clock.instant())));
    }
    return new Page(
        Page.OK,
        "text/html; charset=utf-8",
        """
        <!doctype html><html lang="en"><head><title>outbox-agent</title>
        <meta http-equiv="refresh" content="5">
        <style>body{font:16px sans-serif;margin:2em}td,th{padding:.3em 1em;text-align:left}
        .bad{background:#fdd}.good{background:#dfd}</style></head><body><h1>outbox-agent</h1>
        <table><tr><th>pipeline<th>state<th>since<th>published<th>sequence<th>capture latency<th>last pulse<th>WAL retained<th>of its limit<th>took over in<th>restarts<th>next try<th>problem</tr>
        %s</table>
        <p><a href="parked">parked events</a> <a href="status">status</a> <a href="metrics">metrics</a> <a href="healthcheck">healthcheck</a>
        <a href="ready">ready</a> <a href="live">live</a></p></body></html>
        """
            .formatted(rows));
  }

  private static String row(PipelineStatus status, String problem) {
    return "<tr class=\"%s\"><td>%s<td>%s<td>%s<td>%d<td>%d<td>%.1f ms<td>%s<td>%s<td>%s<td>%s<td>%d<td>%s<td>%s</tr>%n"
        .formatted(
            problem.isEmpty() ? "good" : "bad",
            escaped(status.name()),
            status.state(),
            status.since(),
            status.eventsPublished(),
            status.lastSequence(),
            status.captureLatencyMillis(),
            shown(status.lastPulseAt()),
            status.retainedWalBytes() < 0 ? "?" : status.retainedWalBytes() / 1024 + " KiB",
            status.wal().usedRatio() < 0 ? "?" : Math.round(status.wal().usedRatio() * 100) + " %",
            status.handover().takeovers() == 0
                ? "-"
                : "%.1f s".formatted(status.handover().takeoverSeconds()),
            status.restarts(),
            status.nextTryAt() == null ? "-" : shown(status.nextTryAt()),
            escaped(
                (problem + " " + status.wal().warning() + " " + status.retention().warning())
                    .strip()));
  }

  private static String shown(@Nullable Instant moment) {
    return moment == null ? "never" : moment.toString();
  }

  private static String escaped(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
  }
}
