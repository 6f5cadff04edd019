package io.outboxinbox.agent.reconcile;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.Destination;
import io.outboxinbox.agent.event.HeaderNames;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.publish.PublishedSearch;
import io.outboxinbox.agent.publish.PublishedSearch.PublishedEvent;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.route.Router;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.outbox.Outboxes;
import io.outboxinbox.agent.source.outbox.PageLimit;
import io.outboxinbox.agent.source.slot.CoveredTables;
import io.outboxinbox.agent.source.slot.PassedBound;
import io.outboxinbox.agent.source.table.Backlog;
import io.outboxinbox.agent.source.table.Backlog.RowId;
import io.outboxinbox.agent.source.table.BacklogPages;
import io.outboxinbox.agent.source.table.ReachedTopics;
import io.outboxinbox.agent.source.table.Reconciliations;
import io.outboxinbox.agent.source.table.Reconciliations.Phantom;
import io.outboxinbox.agent.source.table.SourceRegistry;
import io.outboxinbox.agent.source.table.SourceRegistry.Registration;
import io.outboxinbox.agent.source.table.ToldTimes;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks which candidates of a reconciliation are in the topics, and takes them out of the backlog;
 * where the database lost its last moments, lists what consumers have and the table has not.
 */
final class PublishedRows {
  private static final Logger LOG = LoggerFactory.getLogger(PublishedRows.class);

  private static final PageLimit PAGE = new PageLimit(1_000, 8 << 20);

  private static final Duration PROGRESS_EVERY = Duration.ofSeconds(5);

  /**
   * What was found.
   *
   * @param remaining candidates that are in no topic
   * @param possibleRepeats why one of these may have been published all the same; null if none can
   * @param notes what to know of candidates that will not be published; null if nothing
   */
  record Outcome(
      long read,
      long found,
      long remaining,
      long phantoms,
      @Nullable Instant searchedFrom,
      @Nullable String possibleRepeats,
      @Nullable String notes) {}

  private final Reconcile.Lead lead;
  private final long number;
  private final boolean listsPhantoms;
  private final String sourceId;
  private final Connection control;
  private final Backlog backlog;
  private final Outboxes outboxes;
  private final CoveredTables tables;
  private final Reconciliations reconciliations;

  /** Of this source: an accepted cluster has changed its id. */
  private final Set<String> sourceIds;

  private final String ceSource;
  private final ReachedTopics topics;
  private final LatestOfKeys latest = new LatestOfKeys();

  private long found;

  /** Of those found, which only a name tells that others may have too. */
  private long foundByName;

  /** Of those found, which may be of one table or another. */
  private long foundOfAny;

  /** Messages that may be ours, but do not say so. */
  private long untold;

  private long phantoms;
  private long shownNanos = System.nanoTime();

  /**
   * Makes a search.
   *
   * @param bound what the position tells, of which tables
   */
  PublishedRows(Reconcile.Lead lead, long number, PassedBound bound) {
    this.lead = lead;
    this.number = number;
    this.listsPhantoms = bound.isPositionLost();
    this.sourceId = lead.leadership().source().id();
    this.control = lead.control();
    SourceConfiguration source = lead.pipeline().source();
    this.backlog = new Backlog(source);
    this.outboxes = new Outboxes(source.outboxes());
    this.tables = bound.tables();
    this.reconciliations = new Reconciliations(lead.pipeline().source());
    this.sourceIds = new HashSet<>(Set.of(sourceId));
    this.ceSource = lead.router().ceSource();
    this.topics = new ReachedTopics(lead.pipeline().source());
  }

  /**
   * Searches.
   *
   * @param position where streaming will begin; rows of the backlog have none of their own
   */
  Outcome takeOut(Backlog.Filled filled, SourcePosition position) throws SQLException {
    boolean hasUuids = outboxes.haveUuids(control);
    @Nullable Instant lostSince = listsPhantoms && hasUuids ? lostSince() : null;
    if (filled.candidates() == 0 && lostSince == null) {
      return new Outcome(0, 0, 0, 0, null, null, null);
    }
    @Nullable Instant since = since(filled, lostSince);
    ReachedTopics.Reached reached = topics.find(control, sourceId);
    Set<String> former = reached.since(since);
    sourceIds.addAll(reached.formerIds());
    Optional<PublishedSearch> opened =
        lead.publisher()
            .search(
                new Publisher.SearchScope(
                    topic -> lead.router().mayHaveReached(topic, former),
                    since,
                    Router.marks(),
                    HeaderNames.REPLAY_ID));
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
      long overtaken = found < filled.candidates() ? takeOutOvertaken(search, position) : 0;
      long remaining = filled.candidates() - found - overtaken;
      return new Outcome(
          search.read(),
          found,
          remaining,
          phantoms,
          since,
          remaining == 0 ? null : joined(doubts(search, reached, since)),
          joined(notes(overtaken)));
    }
  }

  private List<String> doubts(
      PublishedSearch search, ReachedTopics.Reached reached, @Nullable Instant since)
      throws SQLException {
    List<String> doubts = new ArrayList<>(search.gone());
    boolean isLeftOut =
        search.hasEarlier() || reached.since(since).size() < reached.since(null).size();
    long timeless =
        isLeftOut
            ? new ToldTimes(lead.pipeline().source()).countWithoutTimeInId(control, sourceId)
            : 0;
    if (timeless > 0) {
      doubts.add(
          "messages from before %s were not looked at, and %d events have ids that tell no time: if a clock was ahead when it wrote their occurred_at, they may be among those messages"
              .formatted(since, timeless));
    }
    if (reached.isIncompleteSince(since)) {
      doubts.add(
          "which topics events were published to before "
              + reached.knownSince()
              + " is not known: if route.topic or route.allowedTopics was changed before, messages"
              + " in topics of then were not looked at");
    }
    if (untold > 0) {
      doubts.add(untold + " messages do not tell from which table an id comes");
    }
    Set<String> came = tables.those(CoveredTables.State.NEW);
    if (!came.isEmpty() && !outboxes.haveUuids(control)) {
      doubts.add(
          "what others have published of table %s, which is new to this source, cannot be recognised, since not all ids are UUIDs"
              .formatted(String.join(", ", came)));
    }
    if (latest.isOverfull()) {
      doubts.add("compacted topics have more keys than were remembered");
    }
    return doubts;
  }

  private List<String> notes(long overtaken) {
    List<String> notes = new ArrayList<>();
    if (overtaken > 0) {
      notes.add(
          overtaken
              + " events count as published, because a compacted topic has a later event of their"
              + " key");
    }
    if (foundOfAny > 0) {
      notes.add(
          "%d events count as published by messages that do not name one of the tables: if rows of several tables share ids, some of these may be missing"
              .formatted(foundOfAny));
    }
    if (foundByName > 0) {
      notes.add(
          "%d events count as published by messages that tell only ce_source %s, not the database: if others publish under that name, some of these may be missing"
              .formatted(foundByName, ceSource));
    }
    return notes;
  }

  private static @Nullable String joined(List<String> sentences) {
    return sentences.isEmpty() ? null : String.join("; ", sentences);
  }

  /**
   * Takes out candidates whose topic keeps only the last message of a key, and has a later one of
   * ours: compaction has removed theirs, and behind the later one they would make the last state
   * wrong.
   *
   * @return how many
   */
  private long takeOutOvertaken(PublishedSearch search, SourcePosition position)
      throws SQLException {
    long overtaken = 0;
    long after = 0;
    while (!latest.isEmpty()) {
      BacklogPages.Page page = backlog.read(control, sourceId, after, PAGE, position);
      if (page.lastOrdinal() == after) {
        break;
      }
      Map<RowId, Long> ordinals =
          Backlog.latest(backlog.numbered(control, sourceId, after, page.lastOrdinal()));
      List<RowId> ids = new ArrayList<>();
      for (Captured captured : page.rows()) {
        if (captured instanceof Captured.Row row && isOvertaken(row, search, ordinals)) {
          ids.add(new RowId(row.event().table(), row.event().id()));
        }
      }
      if (!ids.isEmpty()) {
        overtaken += backlog.remove(control, sourceId, ids).size();
      }
      after = page.lastOrdinal();
      show(search);
    }
    return overtaken;
  }

  private boolean isOvertaken(Captured.Row row, PublishedSearch search, Map<RowId, Long> ordinals) {
    try {
      Destination to =
          lead.router()
              .route(new SequencedEvent(row.event(), row.position(), Instant.EPOCH, 0, 0))
              .destination();
      return search.isCompacted(to.topic())
          && latest.get(to.topic(), to.key().getBytes(StandardCharsets.UTF_8))
              > ordinals.getOrDefault(
                  new RowId(row.event().table(), row.event().id()), Long.MAX_VALUE);
    } catch (AgentException.RejectedEvent parkedLater) {
      return false;
    }
  }

  private static Outcome unsearched(Backlog.Filled filled, String why) {
    return new Outcome(
        0, 0, filled.candidates(), 0, null, filled.candidates() == 0 ? null : why, null);
  }

  private static @Nullable Instant since(Backlog.Filled filled, @Nullable Instant lostSince) {
    @Nullable Instant oldest = filled.candidates() == 0 ? lostSince : filled.oldest();
    if (oldest == null) {
      return null;
    }
    Instant earliest = lostSince != null && lostSince.isBefore(oldest) ? lostSince : oldest;
    return earliest.minus(ToldTimes.CLOCKS_APART);
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
    return branchedAt == null ? Instant.EPOCH.plus(ToldTimes.CLOCKS_APART) : branchedAt;
  }

  private void take(List<PublishedEvent> events, boolean hasUuids, @Nullable Instant lostSince)
      throws SQLException {
    List<PublishedEvent> ours = new ArrayList<>();
    List<PublishedEvent> byName = new ArrayList<>();
    for (PublishedEvent event : events) {
      if (hasUuids ? isUuid(event.id()) : event.sourceId() != null && isOurs(event)) {
        ours.add(event);
      } else if (!hasUuids && event.sourceId() == null) {
        // Number 5 of this table and number 5 of another are different events.
        if (event.source() == null) {
          untold++;
        } else if (isOurs(event)) {
          byName.add(event);
        }
      }
    }
    Map<Boolean, List<PublishedEvent>> ofAny =
        ours.stream().collect(Collectors.partitioningBy(event -> tablesOf(event).size() > 1));
    takeOut(ofAny.getOrDefault(false, List.of()));
    foundOfAny += takeOut(ofAny.getOrDefault(true, List.of()));
    foundByName += takeOut(byName);
    if (lostSince != null && !ours.isEmpty()) {
      takePhantoms(ours, lostSince);
    }
  }

  private int takeOut(List<PublishedEvent> events) throws SQLException {
    List<RowId> rows = events.stream().flatMap(this::rowsOf).toList();
    if (rows.isEmpty()) {
      return 0;
    }
    List<Backlog.Numbered> removed = backlog.remove(control, sourceId, rows);
    Map<RowId, Long> ordinals = Backlog.latest(removed);
    for (PublishedEvent event : events) {
      byte @Nullable [] key = event.key();
      OptionalLong ordinal =
          rowsOf(event).filter(ordinals::containsKey).mapToLong(ordinals::get).max();
      if (key != null && ordinal.isPresent()) {
        latest.put(event.topic(), key, ordinal.getAsLong());
      }
    }
    found += removed.size();
    return removed.size();
  }

  private Set<String> tablesOf(PublishedEvent event) {
    return tables.ofMessage(event.table(), isOurs(event));
  }

  /** The rows a message may be of; none where its table is not read any more. */
  private Stream<RowId> rowsOf(PublishedEvent event) {
    return tablesOf(event).stream().map(table -> new RowId(table, event.id()));
  }

  /** Whether a message says that it is ours, as far as it says anything. */
  private boolean isOurs(PublishedEvent event) {
    if (event.sourceId() != null) {
      return sourceIds.contains(event.sourceId());
    }
    return event.source() == null ? event.sequence() != null : ceSource.equals(event.source());
  }

  private void takePhantoms(List<PublishedEvent> events, Instant lostSince) throws SQLException {
    List<PublishedEvent> late =
        events.stream()
            .filter(event -> !event.publishedAt().isBefore(lostSince))
            // Another pipeline's events have no row in this table either.
            .filter(this::isOurs)
            .toList();
    if (late.isEmpty()) {
      return;
    }
    List<Phantom> listed = new ArrayList<>();
    for (PublishedEvent event : withoutRow(late)) {
      listed.add(
          new Phantom(
              event.id(),
              event.topic(),
              event.partition(),
              event.offset(),
              event.sequence(),
              event.publishedAt()));
    }
    phantoms += listed.size();
    reconciliations.addPhantoms(control, sourceId, number, listed);
  }

  /** Those of which no table that they may be of has the row, in order. */
  private List<PublishedEvent> withoutRow(List<PublishedEvent> events) throws SQLException {
    Map<Set<String>, List<String>> ids =
        events.stream()
            .collect(
                Collectors.groupingBy(
                    this::tablesOf, Collectors.mapping(PublishedEvent::id, Collectors.toList())));
    // Nobody knows what is in a table that is not read any more.
    ids.remove(Set.of());
    Map<Set<String>, Set<String>> missing = new HashMap<>();
    for (Map.Entry<Set<String>, List<String>> of : ids.entrySet()) {
      missing.put(of.getKey(), outboxes.only(of.getKey()).missing(control, of.getValue()));
    }
    return events.stream()
        .filter(event -> missing.getOrDefault(tablesOf(event), Set.of()).contains(event.id()))
        .toList();
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
      lead.progress().accept(progress);
    }
  }
}
