package io.outboxinbox.agent.observe;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.OneLine;
import io.outboxinbox.agent.operate.DeskEntry;
import io.outboxinbox.agent.operate.DeskFilter;
import io.outboxinbox.agent.operate.DeskFilter.State;
import io.outboxinbox.agent.operate.ParkedDesk;
import jakarta.servlet.http.HttpServletRequest;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What waits among the parked events, for programs and for people, never a payload. Asks the
 * database anew for each answer, on a short connection, for one caller at a time.
 */
final class ParkedView {
  private static final int EVENTS_MAX = 100;
  private static final int GROUPS_MAX = 20;
  private static final int SHOWN_CHARS_MAX = 300;

  /** Of the agent's own words, with a statement to be run as it is printed. */
  private static final int MESSAGE_CHARS_MAX = 2_000;

  /** What makes a reason one of its kind: the event it is about, which has a row of its own. */
  private static final Pattern OWN_NAME = Pattern.compile("^(event|row) [^ ]+:? ");

  private static final DeskFilter WAITING = DeskFilter.of(State.WAITING);

  private final List<ObservedPipeline> pipelines;
  private final ObjectMapper mapper;
  private final Semaphore turn = new Semaphore(1);

  ParkedView(List<ObservedPipeline> pipelines, ObjectMapper mapper) {
    this.pipelines = List.copyOf(pipelines);
    this.mapper = mapper;
  }

  /** Everything an answer shows, read in one go. */
  private record Seen(
      String pipeline,
      String source,
      ParkedDesk.Totals totals,
      Map<String, Long> byTopic,
      Map<String, Long> byReason,
      Map<String, Long> elsewhere,
      List<DeskEntry> events) {

    @Nullable Long next() {
      return events.size() < EVENTS_MAX ? null : events.get(EVENTS_MAX - 1).ordinal();
    }
  }

  /**
   * Answers {@code /parked}, with parameters {@code pipeline}, {@code after} and {@code format}.
   */
  Page page(HttpServletRequest request) {
    @Nullable String accept = request.getHeader("Accept");
    boolean isJson =
        "json".equals(request.getParameter("format"))
            || (accept != null
                && accept.contains("application/json")
                && !accept.contains("text/html"));
    return page(request.getParameter("pipeline"), request.getParameter("after"), isJson);
  }

  Page page(@Nullable String name, @Nullable String after, boolean isJson) {
    Optional<ObservedPipeline> pipeline =
        pipelines.stream()
            .filter(candidate -> name == null || candidate.status().name().equals(name))
            .findFirst();
    if (pipeline.isEmpty()) {
      return Page.text(Page.NOT_FOUND, "no such pipeline\n");
    }
    if (after != null && !after.matches("[0-9]{1,18}")) {
      return Page.text(Page.BAD_REQUEST, "after must be the number of an event\n");
    }
    if (!turn.tryAcquire()) {
      return Page.text(Page.UNAVAILABLE, "somebody else is being answered; try again\n");
    }
    try (ParkedDesk desk = pipeline.get().openDesk()) {
      Seen seen =
          new Seen(
              pipeline.get().status().name(),
              desk.sourceId(),
              desk.totals(WAITING),
              desk.countsByTopic(WAITING, GROUPS_MAX),
              desk.countsByReason(WAITING, GROUPS_MAX),
              desk.waitingElsewhere(),
              desk.list(WAITING, after == null ? 0 : Long.parseLong(after), EVENTS_MAX));
      return isJson ? json(seen) : html(seen);
    } catch (AgentException e) {
      return Page.text(
          Page.UNAVAILABLE, OneLine.of(String.valueOf(e.getMessage()), MESSAGE_CHARS_MAX) + "\n");
    } finally {
      turn.release();
    }
  }

  private Page json(Seen seen) {
    ObjectNode root = mapper.valueToTree(seen);
    root.putPOJO("next", seen.next());
    return Page.json(mapper, root);
  }

  private Page html(Seen seen) {
    ParkedDesk.Totals totals = seen.totals();
    boolean isAll = seen.events().size() == totals.events();
    String next =
        seen.next() == null
            ? ""
            : "<p><a href=\"?pipeline=%s&amp;after=%d\">next</a></p>\n"
                .formatted(escaped(seen.pipeline()), seen.next());
    return Html.page(
        "parked events",
        "",
        """
        <h1>parked events of %s</h1>
        <p>%s</p><p>%,d wait: %,d with a fault of their own, %,d behind them; %,d keys%s</p>
        %s%s%s%s%s%s<p><a href="?pipeline=%1$s&amp;format=json">JSON</a> <a href=".">status</a></p>
        """
            .formatted(
                escaped(seen.pipeline()),
                links(),
                totals.events(),
                totals.culprits(),
                totals.behind(),
                totals.keys(),
                totals.oldest() == null
                    ? ""
                    : ", the oldest parked at <time>%s</time>"
                        .formatted(Html.seconds(totals.oldest())),
                commands(seen),
                // On a page that shows all of them they would say everything twice.
                isAll ? "" : counts("topic", seen.byTopic()),
                isAll ? "" : counts("reason", seen.byReason()),
                counts("of another source", seen.elsewhere()),
                byReason(seen.events()),
                next));
  }

  /** Each reason once, above the events it holds. */
  private static String byReason(List<DeskEntry> events) {
    Map<String, List<DeskEntry>> groups = new LinkedHashMap<>();
    for (DeskEntry event : events) {
      String reason = OWN_NAME.matcher(event.reason()).replaceFirst("");
      groups.computeIfAbsent(reason, any -> new ArrayList<>()).add(event);
    }
    StringBuilder sections = new StringBuilder();
    groups.forEach(
        (reason, group) -> {
          sections.append("<h2>%s</h2>\n<div class=\"wide\"><table>".formatted(escaped(reason)));
          sections.append(
              "<tr><th>number<th>parked at<th>state<th>key<th>type<th>topic<th>bytes<th>id</tr>\n");
          group.forEach(event -> sections.append(row(event)));
          sections.append("</table></div>\n");
        });
    return sections.toString();
  }

  private static String commands(Seen seen) {
    return seen.events().stream()
        .filter(event -> !event.isBehind())
        .findFirst()
        .map(
            first ->
                """
                <p>Once the cause is mended: <code>java -jar outbox-agent.jar parked release agent.yml --pipeline %s %d --wait</code>;
                <code>parked edit</code> corrects an event, <code>parked discard</code> gives it up, and <code>parked --help</code> says how.</p>
                """
                    .formatted(escaped(seen.pipeline()), first.ordinal()))
        .orElse("");
  }

  private String links() {
    if (pipelines.size() == 1) {
      return "";
    }
    StringBuilder links = new StringBuilder();
    for (ObservedPipeline pipeline : pipelines) {
      String name = escaped(pipeline.status().name());
      links.append("<a href=\"?pipeline=").append(name).append("\">").append(name).append("</a> ");
    }
    return links.toString();
  }

  private static String counts(String what, Map<String, Long> counts) {
    if (counts.isEmpty()) {
      return "";
    }
    StringBuilder table = new StringBuilder("<table><tr><th>" + what + "<th>events</tr>\n");
    counts.forEach(
        (name, count) -> table.append("<tr><td>%s<td>%,d</tr>%n".formatted(escaped(name), count)));
    return table.append("</table>\n").toString();
  }

  private static String row(DeskEntry event) {
    return """
        <tr class="%s"><td>%d<td><time>%s</time><td class="brief">%s<td title="key">%s<td title="type">%s\
        <td title="topic">%s<td title="bytes">%s<td class="id" title="id">%s</tr>
        """
        .formatted(
            event.isBehind() ? "quiet" : "culprit",
            event.ordinal(),
            Html.seconds(event.parkedAt()),
            state(event),
            escaped(event.key()),
            escaped(event.eventType()),
            escaped(event.topic()),
            event.payloadBytes() == null ? "-" : event.payloadBytes(),
            escaped(event.eventId()));
  }

  private static String state(DeskEntry event) {
    if (event.isOnItsWay()) {
      return "being published";
    }
    if (event.requested() != null) {
      return escaped(event.requested()) + " requested";
    }
    return event.isBehind() ? "behind" : "waiting";
  }

  private static String escaped(@Nullable String text) {
    return text == null ? "-" : Html.escaped(OneLine.of(text, SHOWN_CHARS_MAX));
  }
}
