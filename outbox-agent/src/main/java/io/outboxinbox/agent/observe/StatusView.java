package io.outboxinbox.agent.observe;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.outboxinbox.agent.observe.ObservedPipeline.Seen;
import java.time.Clock;
import java.time.Instant;
import java.util.List;

/** The pipelines' status for programs and for orchestrators. */
record StatusView(
    RunningAgent agent, List<ObservedPipeline> pipelines, Clock clock, ObjectMapper mapper) {

  private List<Seen> look() {
    Instant now = clock.instant();
    return pipelines.stream().map(pipeline -> pipeline.look(now)).toList();
  }

  /** Each pipeline's status as it is, with {@code ready}, {@code problem} and warnings added. */
  Page json() {
    ObjectNode root = mapper.createObjectNode();
    ArrayNode list = mapper.createArrayNode();
    boolean allReady = true;
    for (Seen seen : look()) {
      allReady &= seen.isReady();
      ObjectNode entry = mapper.valueToTree(seen.status());
      entry.put("ready", seen.isReady()).put("problem", seen.problem());
      list.add(entry.set("warnings", mapper.valueToTree(seen.warnings())));
    }
    root.put("ready", allReady).set("agent", mapper.valueToTree(agent));
    root.set("pipelines", list);
    return Page.json(mapper, root);
  }

  /** Whether another start of the process would help; a broker or database away does not count. */
  Page liveness(DeadThreads deadThreads) {
    StringBuilder problems = new StringBuilder(deadThreads.lines());
    for (Seen seen : look()) {
      if (seen.status().state().needsNewProcess()) {
        append(problems, seen, seen.problem());
      }
    }
    return problems.isEmpty()
        ? Page.text(Page.OK, "live\n")
        : Page.text(Page.UNAVAILABLE, problems.toString());
  }

  /**
   * A line for each pipeline, those that are not ready first, and one for each warning. A warning
   * makes no agent unready: another would have it too.
   */
  Page readiness() {
    StringBuilder problems = new StringBuilder();
    StringBuilder states = new StringBuilder();
    StringBuilder warnings = new StringBuilder();
    for (Seen seen : look()) {
      append(seen.isReady() ? states : problems, seen, seen.line());
      seen.warnings().forEach(warning -> append(warnings, seen, "warning: " + warning));
    }
    return problems.isEmpty()
        ? Page.text(Page.OK, "ready\n" + states + warnings)
        : Page.text(Page.UNAVAILABLE, problems.append(states).append(warnings).toString());
  }

  private static void append(StringBuilder lines, Seen seen, String what) {
    lines.append(seen.status().name()).append(": ").append(what).append('\n');
  }
}
