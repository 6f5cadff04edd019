package io.outboxinbox.agent.operate.command;

import io.outboxinbox.agent.event.OneLine;
import io.outboxinbox.agent.operate.DeskDetail;
import io.outboxinbox.agent.operate.DeskEntry;
import io.outboxinbox.agent.operate.ParkedDesk;
import java.io.PrintStream;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Parked events as text for a terminal. What rows say is untrusted: it must not steer the terminal.
 */
final class ParkedPrinter {
  private static final int SHORT = 40;
  private static final int REASON = 200;
  private static final int LONG = 2_000;

  private final PrintStream out;

  ParkedPrinter(PrintStream out) {
    this.out = out;
  }

  void list(List<DeskEntry> entries) {
    for (DeskEntry entry : entries) {
      out.printf(
          "%8d  %s  %s  key %s  %s to %s  %s%n",
          entry.ordinal(),
          entry.parkedAt().truncatedTo(ChronoUnit.SECONDS),
          state(entry),
          shown(entry.key(), SHORT),
          shown(entry.eventType(), SHORT),
          shown(entry.topic(), SHORT),
          bytes(entry.payloadBytes()));
      out.printf(
          "          %sid %s: %s%n",
          entry.table() == null ? "" : "table " + shown(entry.table(), SHORT) + ", ",
          shown(entry.eventId(), SHORT),
          reason(entry));
    }
  }

  void totals(ParkedDesk.Totals totals) {
    long settled = totals.events() - totals.culprits() - totals.behind();
    out.printf(
        "%,d events (%,d with a fault of their own, %,d behind them%s) of %,d keys%s%n",
        totals.events(),
        totals.culprits(),
        totals.behind(),
        settled == 0 ? "" : ", %,d settled".formatted(settled),
        totals.keys(),
        totals.oldest() == null
            ? ""
            : ", the oldest parked at " + totals.oldest().truncatedTo(ChronoUnit.SECONDS));
  }

  void elsewhere(Map<String, Long> counts) {
    counts.forEach(
        (source, count) ->
            out.printf(
                "note: %,d more wait under source %s, another database or publication: no agent of this one publishes them%n",
                count, shown(source, REASON)));
  }

  void detail(DeskDetail detail) {
    DeskEntry entry = detail.entry();
    line("ordinal", entry.ordinal());
    line("state", state(entry));
    line("reason", reason(entry));
    line("attempts", entry.attempts());
    line("parked at", entry.parkedAt());
    line("key", shown(entry.key(), LONG));
    line("topic", shown(entry.topic(), LONG) + (detail.ownTopic() == null ? " (route)" : " (own)"));
    if (entry.table() != null) {
      line("table", shown(entry.table(), LONG));
    }
    line("id", shown(entry.eventId(), LONG));
    line("aggregate type", shown(detail.aggregateType(), LONG));
    line("aggregate id", shown(detail.aggregateId(), LONG));
    line("event type", shown(entry.eventType(), LONG));
    line("content type", shown(detail.contentType(), LONG));
    line("headers", shown(detail.headers(), LONG));
    line("further columns", shown(detail.extra(), LONG));
    line("occurred at", detail.occurredAt() == null ? "-" : detail.occurredAt());
    line("payload", bytes(entry.payloadBytes()) + hash(detail));
    line(
        "came from",
        "transaction %d at %s, committed %s, epoch %d"
            .formatted(detail.xid(), detail.lsn(), detail.committedAt(), detail.epoch()));
    if (detail.requestedBy() != null) {
      line(
          entry.isWaiting() && entry.requested() == null ? "last asked by" : "requested by",
          "%s at %s%s"
              .formatted(
                  shown(detail.requestedBy(), REASON),
                  detail.requestedAt(),
                  detail.requestedReason() == null
                      ? ""
                      : ": " + shown(detail.requestedReason(), LONG)));
    }
    for (DeskDetail.Edit edit : detail.edits()) {
      line(
          "edited",
          "%s %s by %s: %s; it was %s"
              .formatted(
                  edit.at(),
                  edit.field(),
                  shown(edit.by(), REASON),
                  shown(edit.reason(), LONG),
                  edit.before() == null ? "empty" : shown(edit.before(), LONG)));
    }
  }

  private static String hash(DeskDetail detail) {
    return detail.payloadHash() == null ? "" : ", sha256 " + detail.payloadHash();
  }

  private void line(String name, Object value) {
    out.printf("%-16s %s%n", name, value);
  }

  /**
   * What became of an event that was requested.
   *
   * @param attemptsBefore tries to publish it before the request
   */
  void outcome(DeskEntry entry, int attemptsBefore) {
    String outcome =
        !entry.isWaiting()
            ? state(entry)
            : entry.attempts() > attemptsBefore
                ? "refused again: " + reason(entry)
                : "the request was taken back";
    out.printf("%8d  %s%n", entry.ordinal(), outcome);
  }

  private static String state(DeskEntry entry) {
    if (!entry.isWaiting()) {
      // Only a released event was published with its number; a waiting one may have been given it.
      return entry.state().equals("released")
          ? "released as sequence " + entry.publishedSequence()
          : entry.state();
    }
    if (entry.isOnItsWay()) {
      return "being published";
    }
    if (entry.requested() != null) {
      return entry.requested() + " requested";
    }
    return entry.isBehind() ? "waiting behind another" : "waiting";
  }

  private static String reason(DeskEntry entry) {
    return OneLine.of(entry.reason(), LONG);
  }

  private static String bytes(@Nullable Long bytes) {
    return bytes == null ? "tombstone" : "%,d bytes".formatted(bytes);
  }

  private static String shown(@Nullable String text, int charsMax) {
    return text == null ? "-" : "'" + OneLine.of(text, charsMax) + "'";
  }
}
