package io.outboxinbox.agent.observe;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.OneLine;
import io.outboxinbox.agent.operate.DeskEntry;
import io.outboxinbox.agent.operate.DeskFilter;
import io.outboxinbox.agent.operate.DeskFilter.State;
import io.outboxinbox.agent.operate.ParkedDesk;
import jakarta.servlet.http.HttpServletRequest;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import org.jspecify.annotations.Nullable;

/**
 * What waits among the parked events, for programs and for people, never a payload. Asks the
 * database anew for each answer, on a short connection, for one caller at a time.
 */
final class ParkedView {
  private static final int EVENTS_MAX = 100;
  private static final int GROUPS_MAX = 20;

  /** Of the agent's own words, with a statement to be run as it is printed. */
  private static final int MESSAGE_CHARS_MAX = 2_000;

  private static final DeskFilter WAITING = DeskFilter.of(State.WAITING);

  private final List<ObservedPipeline> pipelines;
  private final ObjectMapper mapper;
  private final Page forPeople;
  private final Semaphore turn = new Semaphore(1);

  ParkedView(List<ObservedPipeline> pipelines, ObjectMapper mapper, Page forPeople) {
    this.pipelines = List.copyOf(pipelines);
    this.mapper = mapper;
    this.forPeople = forPeople;
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

    @JsonProperty
    @Nullable Long next() {
      return events.size() < EVENTS_MAX ? null : events.get(EVENTS_MAX - 1).ordinal();
    }
  }

  /**
   * Answers {@code /parked}, with parameters {@code pipeline}, {@code after} and {@code format}. A
   * browser gets the page for people, which asks again for the JSON.
   */
  Page page(HttpServletRequest request) {
    boolean isBrowser = String.valueOf(request.getHeader("Accept")).contains("text/html");
    return isBrowser && !"json".equals(request.getParameter("format"))
        ? forPeople
        : json(request.getParameter("pipeline"), request.getParameter("after"));
  }

  Page json(@Nullable String name, @Nullable String after) {
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
      return Page.json(
          mapper,
          new Seen(
              pipeline.get().status().name(),
              desk.sourceId(),
              desk.totals(WAITING),
              desk.countsByTopic(WAITING, GROUPS_MAX),
              desk.countsByReason(WAITING, GROUPS_MAX),
              desk.waitingElsewhere(),
              desk.list(WAITING, after == null ? 0 : Long.parseLong(after), EVENTS_MAX)));
    } catch (AgentException e) {
      return Page.text(
          Page.UNAVAILABLE, OneLine.of(String.valueOf(e.getMessage()), MESSAGE_CHARS_MAX) + "\n");
    } finally {
      turn.release();
    }
  }
}
