package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.event.RawRow;
import io.outboxinbox.agent.park.ParkedEvent;
import io.outboxinbox.agent.park.ParkedEvents;
import io.outboxinbox.agent.park.ParkedQueue.Candidate;
import io.outboxinbox.agent.park.ParkedQueue.Refusal;
import io.outboxinbox.agent.park.ParkedQueue.Requested;
import io.outboxinbox.agent.park.ParkedQueue.Taken;
import io.outboxinbox.agent.park.ParkedTable.KeyVisitor;
import io.outboxinbox.agent.park.ParkedTable.Oldest;
import io.outboxinbox.agent.park.ParkedTable.Waiting;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

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

    Row(ParkedEvent event) {
      this.event = event;
      this.isBehind = event.isBehind();
    }

    String id() {
      return event.row().id();
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
  public void insert(List<ParkedEvent> events, long epoch, long lastOrdinal) {
    crashPoint.run();
    long ordinal = lastOrdinal;
    for (ParkedEvent event : events) {
      if (rows.putIfAbsent(++ordinal, new Row(event)) != null) {
        throw new AssertionError("number " + ordinal + " is used twice");
      }
    }
    crashPoint.run();
  }

  @Override
  public void takeBack(long epoch, long lastOrdinal) {
    rows.tailMap(lastOrdinal, false).clear();
  }

  @Override
  public Waiting scan(long lastOrdinal, KeyVisitor visitor) {
    Map<String, Row> firsts = new LinkedHashMap<>();
    waiting().forEach(row -> firsts.putIfAbsent(row.event.lane(), row));
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
                requested.add(new Requested(ordinal, row.event.lane(), 1));
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
              .filter(entry -> key.equals(entry.getValue().event.lane()))
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
        RawRow raw = row.event.row();
        taken.add(
            new Taken(ordinal, row.event.lane(), raw, row.sequence, Instant.EPOCH, Instant.EPOCH));
      }
    }
    crashPoint.run();
    return taken;
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
      row.requested = null;
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
      keys.add(row.event.lane());
    }
    crashPoint.run();
    return keys;
  }
}
