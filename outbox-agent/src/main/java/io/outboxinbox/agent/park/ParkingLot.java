package io.outboxinbox.agent.park;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.source.table.Lane;
import io.outboxinbox.agent.source.table.ParkedEvent;
import io.outboxinbox.agent.source.table.ParkedTable;
import io.outboxinbox.agent.source.table.ParkedTable.Oldest;
import java.sql.SQLException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One session's parked events: takes the table over, writes rejected events down, knows which keys
 * are held. Used by the pipeline's thread.
 */
public final class ParkingLot {
  private static final Logger LOG = LoggerFactory.getLogger(ParkingLot.class);

  private static final int LOGGED_PER_MINUTE = 10;
  private static final long MINUTE_NANOS = 60_000_000_000L;

  private final ParkedEvents table;
  private final ParkingReport report;
  private final Clock clock;
  private final HeldKeys held = new HeldKeys();
  private final List<String> joined = new ArrayList<>();

  private long waiting;
  private @Nullable Oldest oldest;
  private long loggedSince = System.nanoTime();
  private int logged;

  public ParkingLot(ParkedEvents table, ParkingReport report, Clock clock) {
    this.table = table;
    this.report = report;
    this.clock = clock;
  }

  public static AgentException tooManyKeys() {
    return new AgentException.Misconfigured(
        "events of %d keys are parked, which is all the agent keeps in memory"
            .formatted(HeldKeys.KEYS_MAX),
        "release or discard parked events");
  }

  /**
   * Brings the table in line with the position: what the position does not cover is taken back,
   * what it says is published is settled.
   */
  public void align(Checkpoint checkpoint) throws SQLException {
    table.takeBack(checkpoint.epoch(), checkpoint.parking().lastOrdinal());
    table.settle(checkpoint.parking().lastRelease());
  }

  /**
   * Learns what waits, after {@link #align}. Batches that were not published are taken apart.
   *
   * @param onFlowing gets each key whose first event waits for nobody any more
   */
  public void open(Checkpoint checkpoint, Consumer<String> onFlowing) throws SQLException {
    table.putBack(checkpoint.parking().lastRelease());
    ParkedTable.Waiting found =
        table.scan(
            checkpoint.parking().lastOrdinal(),
            (key, isFirstBehind) -> hold(key, isFirstBehind, onFlowing));
    waiting = found.events();
    oldest = found.oldest();
    show();
  }

  private void hold(@Nullable String key, boolean isFirstBehind, Consumer<String> onFlowing) {
    if (key == null) {
      return;
    }
    if (held.isFull()) {
      throw tooManyKeys();
    }
    held.add(key);
    if (isFirstBehind) {
      onFlowing.accept(key);
    }
  }

  /** Looks again for keys whose first event waits for nobody any more. */
  public void findFlowing(Checkpoint checkpoint, Consumer<String> onFlowing) throws SQLException {
    table.scan(
        checkpoint.parking().lastOrdinal(),
        (key, isFirstBehind) -> {
          if (key != null && isFirstBehind) {
            onFlowing.accept(key);
          }
        });
  }

  /**
   * Writes events down. They count once a checkpoint with the returned value is durable.
   *
   * @return how far the table is covered then
   */
  public Checkpoint.Parking write(List<ParkedEvent> events, Checkpoint before) throws SQLException {
    Checkpoint.Parking parking = before.parking();
    if (events.isEmpty()) {
      return parking;
    }
    table.insert(new ParkedTable.Portion(events, before.epoch(), parking.lastOrdinal()));
    return new Checkpoint.Parking(parking.lastOrdinal() + events.size(), parking.lastRelease());
  }

  private void joinLines(Set<String> keys) throws SQLException {
    List<String> left = keys.isEmpty() ? List.of() : table.join(keys);
    left.forEach(held::remove);
    if (!left.isEmpty()) {
      // What flowed in the line it has left flows on in this one.
      keys.forEach(key -> joined.add(Lane.of(null, key)));
    }
  }

  /**
   * Keys that wait in all topics behind an event whose topic nobody can tell, as far as some of
   * what is parked now, or was before, may wait in the line of one topic.
   */
  private Set<String> heldEverywhere(List<ParkedEvent> events) {
    Set<String> keys = new LinkedHashSet<>();
    for (ParkedEvent event : events) {
      @Nullable String key = event.key();
      if (key != null
          && (event.destination() == null
              ? !event.isBehind()
              : held.isCovered(Lane.of(null, key)))) {
        keys.add(key);
      }
    }
    return keys;
  }

  /** Lanes other lanes have joined since the last call; their first event may wait for nobody. */
  public List<String> takeJoined() {
    List<String> taken = List.copyOf(joined);
    joined.clear();
    return taken;
  }

  /** Takes note that events written down are covered by the position. */
  public void parked(List<ParkedEvent> events, Checkpoint after) throws SQLException {
    if (events.isEmpty()) {
      return;
    }
    events.stream().map(ParkedEvent::lane).filter(Objects::nonNull).forEach(held::cover);
    joinLines(heldEverywhere(events));
    if (oldest == null) {
      oldest = new Oldest(after.parking().lastOrdinal() - events.size() + 1, clock.instant());
    }
    waiting += events.size();
    events.stream()
        .filter(event -> !event.isBehind())
        .forEach(
            event -> log("parked, and later events of its key wait behind it", event.reason()));
    report.parked(events.size());
    show();
  }

  /** Takes note that a released event was refused again. */
  public void refusedAgain(String reason) {
    log("refused again, stays parked", reason);
  }

  /** A flood of them must not become a flood of lines; the table has every one. */
  private void log(String what, String reason) {
    if (System.nanoTime() - loggedSince > MINUTE_NANOS) {
      if (logged > LOGGED_PER_MINUTE) {
        LOG.warn("{} more events were refused", logged - LOGGED_PER_MINUTE);
      }
      loggedSince = System.nanoTime();
      logged = 0;
    }
    if (++logged <= LOGGED_PER_MINUTE) {
      LOG.warn("{}: {}", what, reason);
    }
  }

  /** Takes note that so many events wait no longer. */
  public void settled(int events) {
    waiting -= events;
  }

  /** Shows how things stand, after looking which event has waited longest. */
  public void refresh(Checkpoint checkpoint) throws SQLException {
    if (waiting <= 0) {
      oldest = null;
    } else {
      Oldest known = oldest;
      oldest =
          table.oldest(known == null ? 0 : known.ordinal(), checkpoint.parking().lastOrdinal());
    }
    show();
  }

  private void show() {
    Oldest known = oldest;
    report.waiting(Math.max(0, waiting), held.size(), known == null ? null : known.parkedAt());
  }

  public boolean isEmpty() {
    return waiting <= 0 && held.isEmpty();
  }

  public HeldKeys held() {
    return held;
  }

  public ParkedEvents table() {
    return table;
  }
}
