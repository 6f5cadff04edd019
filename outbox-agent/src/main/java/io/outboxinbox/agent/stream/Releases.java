package io.outboxinbox.agent.stream;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.park.ParkedEvents;
import io.outboxinbox.agent.park.ParkingLot;
import io.outboxinbox.agent.source.RowCheck;
import io.outboxinbox.agent.source.table.ParkedQueue.Candidate;
import io.outboxinbox.agent.source.table.ParkedQueue.Refusal;
import io.outboxinbox.agent.source.table.ParkedQueue.Requested;
import io.outboxinbox.agent.source.table.ParkedQueue.Taken;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Publishes parked events again, in pages between batches of the log, so that good events hardly
 * wait: those an operator has released, and by themselves those that only waited behind others. A
 * key without waiting events is let go, and its events flow from the log again. Used by the
 * pipeline's thread, one session long.
 */
public final class Releases {
  /** How soon an operator's request is seen. */
  private static final long LOOK_NANOS = TimeUnit.SECONDS.toNanos(1);

  /** Some ten milliseconds of publishing; good events wait no longer than that. A guess. */
  private static final int PAGE_EVENTS = 500;

  private static final long PAGE_BYTES = 1 << 20;

  /** Keys of which events flow, as text; the others are found again in the table. A guess. */
  private static final int FLOWING_MAX = 10_000;

  private final ParkingLot lot;
  private final ParkedEvents table;
  private final Rules rules;
  private final Report report;

  private final Set<String> flowing = new LinkedHashSet<>();
  private boolean isMoreFlowing;

  /** Number to bytes of events released although their rows tell no key. */
  private final Map<Long, Long> keyless = new LinkedHashMap<>();

  /** A lock or a change of mind kept the batch from going; tried again at the next look. */
  private final Set<String> heldUp = new HashSet<>();

  private long lookedNanos;
  private long heldUntilLsn;
  private long requestedCursor;

  /**
   * What decides which events go.
   *
   * @param nanos a clock that only goes forward
   */
  public record Rules(
      EventRules events, RowCheck rows, Isolation isolation, BatchSize size, LongSupplier nanos) {}

  /** Shows what was published. */
  @FunctionalInterface
  public interface Report {
    /**
     * So many more events are released.
     *
     * @param after what is durable with them
     */
    void released(int events, Checkpoint after);
  }

  public Releases(ParkingLot lot, Rules rules, Report report) {
    this.lot = lot;
    this.table = lot.table();
    this.lookedNanos = rules.nanos().getAsLong() - LOOK_NANOS;
    this.rules = rules;
    this.report = report;
  }

  /** Takes note of a key whose first event waits for nobody any more. */
  public void flow(String key) {
    if (flowing.size() < FLOWING_MAX) {
      flowing.add(key);
    } else {
      isMoreFlowing = true;
    }
  }

  /**
   * Publishes nothing before the position is there: up to it the log may bring events again that
   * were published before a crash, and they need the numbers they had.
   */
  public void holdUntil(long commitLsn) {
    heldUntilLsn = commitLsn;
  }

  /**
   * Publishes the next page or pages, if there is something to publish.
   *
   * @param commit publishes them
   * @param durable the position; no event behind it has a number yet
   * @param justParked so many events were parked since the last call. More than a page of them
   *     would otherwise keep a key that flows from ever catching up.
   * @return the position afterwards: same place in the log, perhaps a higher sequence
   */
  public Checkpoint run(Commit commit, Checkpoint durable, int justParked) throws SQLException {
    if (lot.isEmpty() || durable.position().commitLsn() < heldUntilLsn) {
      return durable;
    }
    lot.takeJoined().forEach(this::flow);
    boolean isDue = rules.nanos().getAsLong() - lookedNanos >= LOOK_NANOS;
    if (isDue) {
      lookedNanos = rules.nanos().getAsLong();
      look(durable);
    }
    Checkpoint at = durable;
    for (int page = justParked / PAGE_EVENTS; page >= 0 && hasWork(); page--) {
      at = releasePage(commit, at);
    }
    // Once nothing waits this is not reached any more, so the end has to be shown at once.
    if (isDue || lot.isEmpty()) {
      lot.refresh(at);
    }
    return at;
  }

  private boolean hasWork() {
    return !flowing.isEmpty() || !keyless.isEmpty();
  }

  /** Looks what operators want, and what has been left over. */
  private void look(Checkpoint durable) throws SQLException {
    heldUp.forEach(this::flow);
    heldUp.clear();
    settled(table.settle(durable.parking().lastRelease()));
    if (flowing.isEmpty() && isMoreFlowing) {
      isMoreFlowing = false;
      lot.findFlowing(durable, this::flow);
    }
    if (flowing.size() + 2 * PAGE_EVENTS > FLOWING_MAX) {
      return;
    }
    long lastOrdinal = durable.parking().lastOrdinal();
    settled(table.discard(lastOrdinal, PAGE_EVENTS));
    List<Requested> requested = table.requested(requestedCursor, lastOrdinal, PAGE_EVENTS);
    for (Requested event : requested) {
      if (event.key() == null) {
        keyless.put(event.ordinal(), event.bytes());
      } else {
        flow(event.key());
      }
    }
    // Round and round, so that requests that have to wait for others do not hide those behind them.
    requestedCursor =
        requested.size() < PAGE_EVENTS ? 0 : requested.get(requested.size() - 1).ordinal();
  }

  private void settled(List<@Nullable String> keys) {
    lot.settled(keys.size());
    for (@Nullable String key : keys) {
      if (key != null) {
        // Whatever the room: a key of which nothing waits any more is in no query.
        flowing.add(key);
      }
    }
  }

  private Checkpoint releasePage(Commit commit, Checkpoint at) throws SQLException {
    Page page = choose(at);
    if (page.isEmpty()) {
      return at;
    }
    long release = at.parking().lastRelease() + 1;
    List<Taken> taken = table.take(page.ordinals(), release, at.sequence());
    List<Refusal> refusals = new ArrayList<>();
    List<RoutedEvent> events = route(taken, at, refusals);
    if (taken.size() < page.keyOf.size() || !refusals.isEmpty()) {
      putBack(page, taken, refusals, at);
      return at;
    }
    Checkpoint after = publish(commit, events, taken, at);
    lot.settled(table.settle(release).size());
    report.released(events.size(), after);
    letGo(page.keys(), at);
    return after;
  }

  /** What goes together. */
  private static final class Page {
    private final Map<Long, @Nullable String> keyOf = new LinkedHashMap<>();
    private final Set<String> keys = new LinkedHashSet<>();
    private final int eventsMax;
    private final long bytesMax;
    private long bytes;

    Page(int eventsMax, long bytesMax) {
      this.eventsMax = eventsMax;
      this.bytesMax = bytesMax;
    }

    boolean isFull() {
      return keyOf.size() >= eventsMax || bytes >= bytesMax;
    }

    boolean isEmpty() {
      return keyOf.isEmpty();
    }

    void add(long ordinal, @Nullable String key, long eventBytes) {
      keyOf.put(ordinal, key);
      bytes += eventBytes;
      if (key != null) {
        keys.add(key);
      }
    }

    List<Long> ordinals() {
      return List.copyOf(keyOf.keySet());
    }

    List<String> keys() {
      return List.copyOf(keys);
    }
  }

  private Page choose(Checkpoint at) throws SQLException {
    Page page =
        new Page(
            Math.min(PAGE_EVENTS, rules.isolation().limit()),
            Math.min(PAGE_BYTES, rules.size().bytes()));
    Iterator<Map.Entry<Long, Long>> next = keyless.entrySet().iterator();
    while (next.hasNext() && !page.isFull()) {
      Map.Entry<Long, Long> event = next.next();
      page.add(event.getKey(), null, event.getValue());
      next.remove();
    }
    List<String> asked = flowing.stream().limit(PAGE_EVENTS).toList();
    if (!asked.isEmpty()) {
      choose(asked, page, at);
    }
    return page;
  }

  private void choose(List<String> asked, Page page, Checkpoint at) throws SQLException {
    @Nullable String blocked = null;
    int perKey = Math.max(1, PAGE_EVENTS / asked.size());
    for (Candidate next : table.candidates(asked, perKey, at.parking().lastOrdinal())) {
      String key = next.key();
      if (next.ordinal() == 0) {
        letGo(key);
      } else if (!key.equals(blocked)) {
        if (next.mayGo() && !page.isFull()) {
          page.add(next.ordinal(), key, next.bytes());
        } else {
          // Later events of the key must not overtake this one.
          blocked = key;
          if (!next.mayGo() && !page.keys.contains(key)) {
            flowing.remove(key);
          }
        }
      }
    }
  }

  private List<RoutedEvent> route(List<Taken> taken, Checkpoint at, List<Refusal> refusals) {
    List<RoutedEvent> events = new ArrayList<>(taken.size());
    Set<String> refusedKeys = new HashSet<>();
    for (Taken event : taken) {
      if (event.key() != null && refusedKeys.contains(event.key())) {
        continue;
      }
      try {
        if (event.mayGo()) {
          events.add(route(event, at));
          continue;
        }
      } catch (AgentException.RejectedEvent e) {
        refusals.add(new Refusal(event.ordinal(), String.valueOf(e.getMessage())));
      }
      if (event.key() != null) {
        refusedKeys.add(event.key());
      }
    }
    return events;
  }

  private RoutedEvent route(Taken taken, Checkpoint at) {
    Captured checked = rules.rows().check(taken.row(), at.position(), taken.committedAt());
    if (checked instanceof Captured.Row row) {
      return rules
          .events()
          .route(
              new SequencedEvent(
                  row.event(), at.position(), taken.committedAt(), at.epoch(), taken.sequence()),
              taken.parkedAt());
    }
    throw new AgentException.RejectedEvent(
        "row %s of the outbox is no event: %s"
            .formatted(
                taken.row().shownId(), checked instanceof Captured.BadRow bad ? bad.reason() : ""));
  }

  /** Gives a page up: its rest goes with the next one, in an order that is right again. */
  private void putBack(Page page, List<Taken> taken, List<Refusal> refusals, Checkpoint at)
      throws SQLException {
    refuse(refusals);
    table.putBack(at.parking().lastRelease());
    Set<Long> missing = new HashSet<>(page.keyOf.keySet());
    taken.forEach(event -> missing.remove(event.ordinal()));
    for (Long ordinal : missing) {
      @Nullable String key = page.keyOf.get(ordinal);
      if (key != null) {
        flowing.remove(key);
        heldUp.add(key);
      }
    }
    // Those without a key were taken off their list; the next look finds them again.
    requestedCursor = 0;
  }

  private void refuse(List<Refusal> refusals) throws SQLException {
    for (Refusal refusal : refusals) {
      lot.refusedAgain(refusal.reason());
    }
    table.refuse(refusals);
  }

  private Checkpoint publish(
      Commit commit, List<RoutedEvent> events, List<Taken> taken, Checkpoint at)
      throws SQLException {
    Checkpoint covering =
        numbered(taken, at)
            .withParking(
                new Checkpoint.Parking(at.parking().lastOrdinal(), taken.get(0).release()));
    return commit.run(
        new Commit.Step(events, List.of(), covering),
        at,
        refusal -> refused(commit, taken, refusal));
  }

  /** Nobody else gets the numbers of a batch, whether or not it has used them before. */
  private static Checkpoint numbered(List<Taken> taken, Checkpoint at) {
    long last = taken.get(taken.size() - 1).sequence();
    return at.advancedTo(at.position(), Math.max(at.sequence(), last));
  }

  /**
   * Publishes batches again that a crash or a refusal may have left half published, by the numbers
   * they had and before other events take those. To be called before the lot is opened.
   *
   * @param commit one whose broker may repeat events
   * @return the checkpoint afterwards
   */
  public Checkpoint resume(Commit commit, Checkpoint at) throws SQLException {
    Checkpoint durable = at;
    List<Taken> taken = table.taken(durable.parking().lastRelease());
    while (!taken.isEmpty()) {
      durable = resume(commit, first(taken), durable);
      taken = table.taken(durable.parking().lastRelease());
    }
    return durable;
  }

  /** As much of a batch as may go together by now; the rest comes as a batch of its own. */
  private List<Taken> first(List<Taken> taken) throws SQLException {
    int count = 0;
    long bytes = 0;
    while (count < taken.size()
        && (count == 0 || (count < rules.isolation().limit() && bytes < rules.size().bytes()))) {
      bytes += BatchSize.bytes(taken.get(count).row());
      count++;
    }
    if (count == taken.size()) {
      return taken;
    }
    List<Taken> first = taken.subList(0, count);
    table.postpone(first.get(0).release(), first.stream().map(Taken::ordinal).toList());
    return first;
  }

  private Checkpoint resume(Commit commit, List<Taken> taken, Checkpoint at) throws SQLException {
    List<Refusal> refusals = new ArrayList<>();
    List<RoutedEvent> events = route(firstOfTheirKeys(taken, at), at, refusals);
    Checkpoint numbered = at;
    if (events.size() < taken.size()) {
      // The others wait again. An earlier try may have published them by their numbers, so these
      // are used up before the rows forget them.
      numbered =
          commit.run(new Commit.Step(List.of(), List.of(), numbered(taken, at)), at, refusal -> {});
      refuse(refusals);
      table.takeOut(ordinalsBut(events, taken));
    }
    Checkpoint after = publish(commit, events, taken, numbered);
    table.settle(after.parking().lastRelease());
    report.released(events.size(), after);
    return after;
  }

  /** Without those before which one waits that was taken out of a batch. */
  private List<Taken> firstOfTheirKeys(List<Taken> taken, Checkpoint at) throws SQLException {
    List<String> keys =
        taken.stream().flatMap(event -> Stream.ofNullable(event.key())).distinct().toList();
    Map<String, Long> waiting = new HashMap<>();
    for (Candidate first : table.candidates(keys, 1, at.parking().lastOrdinal())) {
      if (first.ordinal() != 0) {
        waiting.put(first.key(), first.ordinal());
      }
    }
    return taken.stream()
        .filter(event -> event.ordinal() < waiting.getOrDefault(event.key(), Long.MAX_VALUE))
        .toList();
  }

  private static List<Long> ordinalsBut(List<RoutedEvent> events, List<Taken> taken) {
    Set<Long> going = new HashSet<>();
    events.forEach(event -> going.add(event.sequenced().sequence()));
    return taken.stream()
        .filter(event -> !going.contains(event.sequence()))
        .map(Taken::ordinal)
        .toList();
  }

  private void refused(Commit commit, List<Taken> taken, AgentException.RejectedEvent e)
      throws SQLException {
    @Nullable Taken culprit = culprit(taken, e);
    if (culprit == null) {
      rules.isolation().refused(taken.size());
    } else {
      refuse(
          List.of(
              new Refusal(
                  culprit.ordinal(), "event " + culprit.row().shownId() + ": " + e.getMessage())));
      rules.isolation().found();
    }
    // Else the batch keeps its numbers, by which some of it may have gone out; see resume.
    if (!commit.mayRepeat()) {
      table.putBack(taken.get(0).release() - 1);
    }
  }

  private static @Nullable Taken culprit(List<Taken> taken, AgentException.RejectedEvent e) {
    for (Taken event : taken) {
      if (taken.size() == 1 || event.sequence() == e.sequence()) {
        return event;
      }
    }
    return null;
  }

  /** Keys of which nothing waits any more are not held any longer. */
  private void letGo(List<String> keys, Checkpoint at) throws SQLException {
    if (keys.isEmpty()) {
      return;
    }
    for (Candidate first : table.candidates(keys, 1, at.parking().lastOrdinal())) {
      if (first.ordinal() == 0) {
        letGo(first.key());
      }
    }
  }

  private void letGo(String key) {
    flowing.remove(key);
    lot.held().remove(key);
  }
}
