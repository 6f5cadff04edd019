package io.outboxinbox.agent.stream;

import io.outboxinbox.agent.park.ParkedEvents;
import io.outboxinbox.agent.source.table.Lane;
import io.outboxinbox.agent.source.table.ParkedEvent;
import io.outboxinbox.agent.source.table.ParkedQueue.Candidate;
import io.outboxinbox.agent.source.table.ParkedQueue.Refusal;
import io.outboxinbox.agent.source.table.ParkedQueue.Requested;
import io.outboxinbox.agent.source.table.ParkedQueue.Taken;
import io.outboxinbox.agent.source.table.ParkedTable.KeyVisitor;
import io.outboxinbox.agent.source.table.ParkedTable.Oldest;
import io.outboxinbox.agent.source.table.ParkedTable.Portion;
import io.outboxinbox.agent.source.table.ParkedTable.Waiting;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** The table of parked events in memory. Each change may be the last of its session. */
final class MemoryParkedEvents implements ParkedEvents {
  enum State {
    WAITING,
    RELEASED,
    DISCARDED
  }

  static final class Row {
    final ParkedEvent event;
    boolean isBehind;
    State state = State.WAITING;
    String requested;
    long release;
    long sequence;
    String lane;

    Row(ParkedEvent event) {
      this.event = event;
      this.lane = event.lane();
      this.isBehind = event.isBehind();
    }

    String id() {
      return event.row().id();
    }

    @Override
    public String toString() {
      return "%s in %s: %s, behind=%s, requested=%s, release %d"
          .formatted(id(), lane, state, isBehind, requested, release);
    }

    private boolean mayGo() {
      return requested == null ? isBehind : requested.equals("release");
    }
  }

  final TreeMap<Long, Row> rows = new TreeMap<>();
  private final Runnable crashPoint;

  MemoryParkedEvents(Runnable crashPoint) {
    this.crashPoint = crashPoint;
  }

  List<Row> waiting() {
    return rows.values().stream().filter(row -> row.state == State.WAITING).toList();
  }

  @Override
  public void insert(Portion portion) {
    crashPoint.run();
    long ordinal = portion.lastOrdinal();
    for (ParkedEvent event : portion.events()) {
      if (rows.putIfAbsent(++ordinal, new Row(event)) != null) {
        throw new AssertionError("number " + ordinal + " is used twice");
      }
    }
    crashPoint.run();
  }

  @Override
  public List<String> join(Set<String> keys) {
    crashPoint.run();
    Set<String> left = new LinkedHashSet<>();
    for (Row row : waiting()) {
      String key = row.event.key();
      if (keys.contains(key) && left.add(row.lane)) {
        left.remove(Lane.of(null, key));
      }
    }
    waiting().stream()
        .filter(row -> keys.contains(row.event.key()))
        .forEach(row -> row.lane = Lane.of(null, row.event.key()));
    return List.copyOf(left);
  }

  @Override
  public void takeBack(long epoch, long lastOrdinal) {
    rows.tailMap(lastOrdinal, false).clear();
    join(
        waiting().stream()
            .filter(row -> row.lane.equals(Lane.of(null, row.event.key())))
            .map(row -> row.event.key())
            .collect(Collectors.toSet()));
  }

  @Override
  public Waiting scan(long lastOrdinal, KeyVisitor visitor) {
    Map<String, Row> firsts = new LinkedHashMap<>();
    waiting().forEach(row -> firsts.putIfAbsent(row.lane, row));
    firsts.forEach((key, row) -> visitor.visit(key, row.isBehind));
    return new Waiting(waiting().size(), null);
  }

  @Override
  public Oldest oldest(long from, long lastOrdinal) {
    return null;
  }

  @Override
  public List<Requested> requested(long after, long lastOrdinal, int limit) {
    List<Requested> requested = new ArrayList<>();
    rows.subMap(after, false, lastOrdinal, true)
        .forEach(
            (ordinal, row) -> {
              if (row.state == State.WAITING
                  && row.release == 0
                  && "release".equals(row.requested)
                  && requested.size() < limit) {
                requested.add(new Requested(ordinal, row.lane, 1));
              }
            });
    return requested;
  }

  @Override
  public List<Candidate> candidates(List<String> keys, int perKey, long lastOrdinal) {
    List<Candidate> candidates = new ArrayList<>();
    for (String key : keys) {
      List<Candidate> ofKey =
          rows.headMap(lastOrdinal, true).entrySet().stream()
              .filter(entry -> entry.getValue().state == State.WAITING)
              .filter(entry -> entry.getValue().release == 0)
              .filter(entry -> key.equals(entry.getValue().lane))
              .limit(perKey)
              .map(entry -> new Candidate(key, entry.getKey(), 1, entry.getValue().mayGo()))
              .toList();
      candidates.addAll(ofKey.isEmpty() ? List.of(new Candidate(key, 0, 0, false)) : ofKey);
    }
    return candidates;
  }

  @Override
  public List<Taken> take(List<Long> ordinals, long release, long lastSequence) {
    crashPoint.run();
    List<Taken> taken = new ArrayList<>();
    for (Long ordinal : ordinals.stream().sorted().toList()) {
      Row row = rows.get(ordinal);
      if (row.state == State.WAITING && row.release == 0 && row.mayGo()) {
        row.release = release;
        row.sequence = lastSequence + taken.size() + 1;
        taken.add(taken(ordinal, row));
      }
    }
    crashPoint.run();
    return taken;
  }

  @Override
  public List<Taken> taken(long lastRelease) {
    long first =
        waiting().stream()
            .mapToLong(row -> row.release)
            .filter(release -> release > lastRelease)
            .min()
            .orElse(0);
    List<Taken> taken = new ArrayList<>();
    rows.forEach(
        (ordinal, row) -> {
          if (row.state == State.WAITING && first > 0 && row.release == first) {
            taken.add(taken(ordinal, row));
          }
        });
    return taken;
  }

  @Override
  public void postpone(long release, List<Long> first) {
    crashPoint.run();
    rows.forEach(
        (ordinal, row) -> {
          if (row.state == State.WAITING && row.release >= release && !first.contains(ordinal)) {
            row.release++;
          }
        });
    crashPoint.run();
  }

  @Override
  public void takeOut(List<Long> ordinals) {
    crashPoint.run();
    ordinals.stream()
        .map(rows::get)
        .filter(row -> row.state == State.WAITING)
        .forEach(row -> row.release = 0);
    crashPoint.run();
  }

  private static Taken taken(long ordinal, Row row) {
    return new Taken(
        ordinal,
        row.release,
        row.lane,
        row.event.row(),
        row.sequence,
        Instant.EPOCH,
        Instant.EPOCH,
        row.mayGo());
  }

  @Override
  public void putBack(long lastRelease) {
    crashPoint.run();
    for (Row row : waiting()) {
      if (row.release > lastRelease) {
        row.release = 0;
      }
    }
  }

  @Override
  public void refuse(List<Refusal> refusals) {
    for (Refusal refusal : refusals) {
      crashPoint.run();
      Row row = rows.get(refusal.ordinal());
      row.isBehind = false;
      if ("release".equals(row.requested)) {
        row.requested = null;
      }
    }
  }

  @Override
  public List<String> settle(long lastRelease) {
    crashPoint.run();
    return settle(
        waiting().stream().filter(row -> row.release > 0 && row.release <= lastRelease).toList(),
        State.RELEASED);
  }

  @Override
  public List<String> discard(long lastOrdinal, int limit) {
    crashPoint.run();
    return settle(
        rows.headMap(lastOrdinal, true).values().stream()
            .filter(row -> row.state == State.WAITING && row.release == 0)
            .filter(row -> "discard".equals(row.requested))
            .limit(limit)
            .toList(),
        State.DISCARDED);
  }

  private List<String> settle(List<Row> settled, State state) {
    List<String> keys = new ArrayList<>();
    for (Row row : settled) {
      row.state = state;
      keys.add(row.lane);
    }
    crashPoint.run();
    return keys;
  }
}
