package io.outboxinbox.agent.observe;

import static io.outboxinbox.agent.observe.Html.escaped;
import static io.outboxinbox.agent.observe.Html.prose;
import static io.outboxinbox.agent.observe.Html.seconds;

import io.outboxinbox.agent.observe.ObservedPipeline.Seen;
import io.outboxinbox.agent.pipeline.PipelineStatus;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import java.time.Clock;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The pipelines' status for people: what is wrong before any figure, on any width of screen. */
record StatusPage(RunningAgent agent, List<ObservedPipeline> pipelines, Clock clock) {
  private static final String REFRESH = "<meta http-equiv=\"refresh\" content=\"5\">";
  private static final int BYTES_PER_MIB = 1 << 20;

  Page html() {
    Instant now = clock.instant();
    StringBuilder sections = new StringBuilder();
    for (ObservedPipeline pipeline : pipelines) {
      sections.append(section(pipeline.look(now)));
    }
    return Html.page(
        "outbox-agent",
        REFRESH,
        """
        <h1>outbox-agent</h1>
        <p class="quiet">version %s on host %s, process %d; seen at <time>%s</time></p>
        %s<p><a href="parked">parked events</a> <a href="status">status</a> <a href="metrics">metrics</a>
        <a href="healthcheck">healthcheck</a> <a href="ready">ready</a> <a href="live">live</a></p>
        """
            .formatted(
                escaped(agent.version()),
                escaped(agent.host()),
                agent.pid(),
                seconds(now),
                sections));
  }

  private static String section(Seen seen) {
    PipelineStatus status = seen.status();
    StringBuilder section = new StringBuilder();
    section.append(
        "<section class=\"%s\"><h2>%s: %s</h2>\n"
            .formatted(mark(seen), escaped(status.name()), word(seen)));
    section.append("<p class=\"why\">%s</p>\n".formatted(prose(seen.line())));
    for (String warning : seen.warnings()) {
      section.append("<p class=\"why\">warning: %s</p>\n".formatted(prose(warning)));
    }
    section.append("<dl>");
    figures(status)
        .forEach(
            (name, value) ->
                section.append("<div><dt>%s<dd>%s</div>\n".formatted(name, escaped(value))));
    return section.append("</dl></section>\n").toString();
  }

  private static String mark(Seen seen) {
    if (!seen.isReady()) {
      return "bad";
    }
    return seen.warnings().isEmpty() ? "good" : "warn";
  }

  private static String word(Seen seen) {
    if (!seen.isReady()) {
      return "not ready";
    }
    return seen.warnings().isEmpty() ? "ready" : "ready, but see the warning";
  }

  /** By name, in the order they are shown; what is not known or not of this state is left out. */
  private static Map<String, String> figures(PipelineStatus status) {
    Map<String, String> figures = new LinkedHashMap<>();
    put(figures, "leader", status.ledBy().isEmpty() ? null : status.ledBy());
    if (status.state() != State.STANDBY) {
      // A standby's own would be of an earlier lead, or zero: it looks as if nothing were
      // published.
      long published = status.eventsPublished();
      boolean hasLed = status.handover().takeovers() > 0 || published > 0;
      put(figures, "published", hasLed ? "%,d".formatted(published) : null);
      put(figures, "sequence", hasLed ? Long.toString(status.lastSequence()) : null);
      put(
          figures,
          "parked",
          status.parkedWaiting() < 0 ? null : Long.toString(status.parkedWaiting()));
      put(figures, "last publish", moment(status.lastPublishAt()));
      put(figures, "last pulse", moment(status.lastPulseAt()));
      put(
          figures,
          "capture latency",
          status.lastPulseAt() == null ? null : "%.1f ms".formatted(status.captureLatencyMillis()));
    }
    put(figures, "WAL retained", retained(status.retainedWalBytes()));
    double used = status.wal().usedRatio();
    put(figures, "of its limit", used < 0 ? null : Math.round(used * 100) + " %");
    put(
        figures,
        "took over in",
        status.handover().takeovers() == 0
            ? null
            : "%.1f s".formatted(status.handover().takeoverSeconds()));
    put(figures, "restarts", Long.toString(status.restarts()));
    put(figures, "next try", moment(status.nextTryAt()));
    String kept = status.retention().why();
    put(figures, "old partitions stay", kept.isEmpty() ? null : kept);
    return figures;
  }

  private static void put(Map<String, String> figures, String name, @Nullable String value) {
    if (value != null) {
      figures.put(name, value);
    }
  }

  private static @Nullable String moment(@Nullable Instant moment) {
    return moment == null ? null : seconds(moment).toString();
  }

  private static @Nullable String retained(long bytes) {
    if (bytes < 0) {
      return null;
    }
    return bytes < BYTES_PER_MIB ? bytes / 1024 + " KiB" : bytes / BYTES_PER_MIB + " MiB";
  }
}
