package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.capture.Backlog;
import io.outboxinbox.agent.capture.Reconciliations;
import io.outboxinbox.agent.capture.Reconciliations.Phantom;
import io.outboxinbox.agent.capture.SourceRegistry;
import io.outboxinbox.agent.capture.SourceRegistry.Registration;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.publish.PublishedSearch;
import io.outboxinbox.agent.publish.PublishedSearch.PublishedEvent;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.route.Router.PublishedMark;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks which candidates of a reconciliation are in the topics, and takes them out of the backlog;
 * where the database lost its last moments, lists what consumers have and the table has not.
 */
final class PublishedRows {
  private static final Logger LOG = LoggerFactory.getLogger(PublishedRows.class);

  /**
   * How far the clocks of applications, database and agent may be apart. A guess, and a generous
   * one: reading an hour more of the topics costs seconds, a repeat costs trust.
   */
  private static final Duration MARGIN = Duration.ofHours(1);

  private static final Duration PROGRESS_EVERY = Duration.ofSeconds(5);

  /** Marks a replay: a copy that does not show that the event itself was published. */
  private static final String REPLAY_HEADER = "outbox_replay_id";

  /**
   * What was found.
   *
   * @param remaining candidates that are in no topic
   * @param possibleRepeats why one of these may have been published all the same; null if none can
   */
  record Outcome(
      long read,
      long found,
      long remaining,
      long phantoms,
      @Nullable Instant searchedFrom,
      @Nullable String possibleRepeats) {}

  private final Reconcile.Lead lead;
  private final long number;
  private final boolean listsPhantoms;
  private final String sourceId;
  private final Connection control;
  private final Backlog backlog;
  private final Reconciliations reconciliations;
  private final PublishedMark mark;

  private long found;
  private long phantoms;
  private long shownNanos = System.nanoTime();

  PublishedRows(Reconcile.Lead lead, long number, boolean listsPhantoms) {
    this.lead = lead;
    this.number = number;
    this.listsPhantoms = listsPhantoms;
    this.sourceId = lead.leadership().source().id();
    this.control = lead.control();
    this.backlog = new Backlog(lead.pipeline().source());
    this.reconciliations = new Reconciliations(lead.pipeline().source());
    this.mark = lead.router().mark();
  }

  Outcome takeOut(Backlog.Filled filled) throws SQLException, InterruptedException {
    boolean hasUuids = backlog.hasUuids(control);
    if (!hasUuids && mark.sourceHeader() == null) {
      // Number 5 of this table and number 5 of another are different events.
      return unsearched(filled, "messages do not tell from which table an id comes");
    }
    @Nullable Instant lostSince = listsPhantoms && hasUuids ? lostSince() : null;
    if (filled.candidates() == 0 && lostSince == null) {
      return new Outcome(0, 0, 0, 0, null, null);
    }
    @Nullable Instant since = since(filled, lostSince);
    Optional<PublishedSearch> opened =
        lead.publisher()
            .search(
                new Publisher.SearchScope(
                    lead.router()::mayReach,
                    since,
                    mark.idHeader(),
                    mark.sourceHeader(),
                    mark.sequenceHeader(),
                    REPLAY_HEADER));
    if (opened.isEmpty()) {
      return unsearched(filled, "this broker cannot be searched");
    }
    try (PublishedSearch search = opened.get()) {
      LOG.info(
          "reconciliation {}: reading {} messages since {}",
          number,
          search.total(),
          since == null ? "the beginning" : since);
      while (!search.isDone() && (found < filled.candidates() || lostSince != null)) {
        take(search.poll(), hasUuids, lostSince);
        show(search);
      }
      long remaining = filled.candidates() - found;
      return new Outcome(
          search.read(),
          found,
          remaining,
          phantoms,
          since,
          remaining == 0 || search.gone().isEmpty() ? null : String.join("; ", search.gone()));
    }
  }

  private static Outcome unsearched(Backlog.Filled filled, String why) {
    return new Outcome(0, 0, filled.candidates(), 0, null, filled.candidates() == 0 ? null : why);
  }

  private static @Nullable Instant since(Backlog.Filled filled, @Nullable Instant lostSince) {
    @Nullable Instant oldest = filled.candidates() == 0 ? lostSince : filled.oldest();
    if (oldest == null) {
      return null;
    }
    Instant earliest = lostSince != null && lostSince.isBefore(oldest) ? lostSince : oldest;
    return earliest.minus(MARGIN);
  }

  /**
   * Whatever was published from lost log was published after this: the last sign of life that the
   * server still has. Where it has none, the search goes back to the topics' beginning.
   */
  private Instant lostSince() throws SQLException {
    @Nullable Instant branchedAt =
        new SourceRegistry(lead.pipeline().source())
            .find(control, sourceId)
            .map(Registration::branchedAt)
            .orElse(null);
    return branchedAt == null ? Instant.EPOCH.plus(MARGIN) : branchedAt;
  }

  private void take(List<PublishedEvent> events, boolean hasUuids, @Nullable Instant lostSince)
      throws SQLException {
    List<PublishedEvent> ours =
        events.stream()
            .filter(event -> hasUuids ? isUuid(event.id()) : mark.source().equals(event.source()))
            .toList();
    if (ours.isEmpty()) {
      return;
    }
    found += backlog.remove(control, sourceId, ours.stream().map(PublishedEvent::id).toList());
    if (lostSince != null) {
      takePhantoms(ours, lostSince);
    }
  }

  private void takePhantoms(List<PublishedEvent> events, Instant lostSince) throws SQLException {
    List<PublishedEvent> late =
        events.stream()
            .filter(event -> !event.publishedAt().isBefore(lostSince))
            // Another pipeline's events have no row in this table either.
            .filter(event -> event.source() == null || mark.source().equals(event.source()))
            .toList();
    if (late.isEmpty()) {
      return;
    }
    Set<String> missing =
        backlog.missing(control, late.stream().map(PublishedEvent::id).distinct().toList());
    List<Phantom> listed = new ArrayList<>();
    for (PublishedEvent event : late) {
      if (missing.contains(event.id())) {
        listed.add(
            new Phantom(
                event.id(),
                event.topic(),
                event.partition(),
                event.offset(),
                event.sequence(),
                event.publishedAt()));
      }
    }
    phantoms += listed.size();
    reconciliations.addPhantoms(control, sourceId, number, listed);
  }

  private static boolean isUuid(String id) {
    try {
      return UUID.fromString(id).toString().equals(id);
    } catch (IllegalArgumentException e) {
      return false;
    }
  }

  private void show(PublishedSearch search) throws SQLException {
    lead.pulse().ensureAlive();
    if (lead.isStopping().getAsBoolean()) {
      throw new AgentException.Retryable("asked to stop in the middle of a reconciliation", null);
    }
    if (System.nanoTime() - shownNanos > PROGRESS_EVERY.toNanos()) {
      shownNanos = System.nanoTime();
      String progress =
          "reconciliation %d: read %d of %d messages, %d candidates found"
              .formatted(number, search.read(), search.total(), found);
      LOG.info(progress);
      lead.monitor().explain(progress);
    }
  }
}
