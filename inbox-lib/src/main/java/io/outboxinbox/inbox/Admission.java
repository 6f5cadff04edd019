package io.outboxinbox.inbox;

import io.outboxinbox.inbox.InboxTable.Entry;
import io.outboxinbox.inbox.InboxTable.Mark;
import io.outboxinbox.inbox.InboxTable.MarkKey;
import io.outboxinbox.inbox.InboxTable.Stored;
import io.outboxinbox.inbox.InboxTable.Trace;
import io.outboxinbox.inbox.Outcome.Status;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** Answers one call: what is new, by a row for each message or by the mark of its partition. */
final class Admission {
  /** SQL:2016, class 08 connection exception: transaction resolution unknown. */
  private static final String RESOLUTION_UNKNOWN = "08007";

  private final InboxMode mode;
  private final Floor floor;
  private final CommittedMessages committed;
  private final Connection connection;
  private final InboxTable table;
  private final Trace trace = new Trace();

  Admission(
      InboxMode mode,
      Floor floor,
      CommittedMessages committed,
      Connection connection,
      InboxTable table) {
    this.mode = mode;
    this.floor = floor;
    this.committed = committed;
    this.connection = connection;
    this.table = table;
  }

  /** As {@link #admit} for one, without the collections that put many in order. */
  Outcome admitOne(Arrival arrival) throws SQLException {
    return origin(arrival) == null
        ? outcome(arrival, statusById(arrival), trace.ofIds)
        : admit(List.of(arrival)).get(0);
  }

  private static Outcome outcome(Arrival arrival, Status status, long transaction) {
    return new Outcome(arrival, status, status == Status.NEW ? transaction : 0);
  }

  private Status statusById(Arrival arrival) throws SQLException {
    UUID key = arrival.id().key();
    if (committed.contains(key)) {
      return Status.DUPLICATE;
    }
    if (isBelowFloor(arrival)) {
      return known(List.of(arrival)).isEmpty() ? Status.TOO_OLD : Status.DUPLICATE;
    }
    return table.insert(connection, arrival.entry(), trace) ? Status.NEW : Status.DUPLICATE;
  }

  /**
   * Commits the transaction of one message and admits another in the next, by their ids and in one
   * round trip.
   *
   * @return what became of the other; empty if it is to be admitted by itself after the commit, in
   *     which there is no transaction
   * @throws SQLException as {@link Inbox#commitAndAdmit}
   */
  Optional<Outcome> commitAndAdmit(Outcome current, Arrival next) throws SQLException {
    if (!current.isNew()
        || isMarked(current.arrival())
        || isMarked(next)
        || committed.contains(next.id().key())
        || !isKnownToBeAboveFloor(next)
        || connection.isReadOnly()
        || !table.isCommittingWithInsert(connection)) {
      connection.commit();
      return Optional.empty();
    }
    try {
      boolean isNew = table.commitAndInsert(connection, next.entry(), trace);
      Status status = isNew ? Status.NEW : Status.DUPLICATE;
      return Optional.of(outcome(next, status, trace.ofIds));
    } catch (SQLException e) {
      if (hasCommitted(current.id(), e)) {
        return Optional.empty();
      }
      throw e;
    }
  }

  /**
   * Which half has failed, the database knows: the message's row is there if its transaction has
   * committed, because that has added it.
   */
  private boolean hasCommitted(MessageId id, SQLException failure) throws SQLException {
    if (RetryAdvice.of(failure) == RetryAdvice.LATER) {
      // Perhaps nobody is there to ask, and the caller runs it again anyway.
      return false;
    }
    try {
      connection.rollback();
      boolean isKnown = !table.find(connection, List.of(id.key())).isEmpty();
      connection.rollback();
      return isKnown;
    } catch (SQLException e) {
      e.addSuppressed(failure);
      throw new SQLException(
          "whether the transaction of message " + id + " has committed is unknown",
          RESOLUTION_UNKNOWN,
          e);
    }
  }

  /**
   * Whether the transaction was committed that gave these answers. Where only a mark tells, anybody
   * may have moved it on meanwhile. A number alone is not enough: a server that crashed before it
   * had written down that the number was given gives it to another transaction.
   */
  boolean isCommitted(List<Outcome> outcomes) throws SQLException {
    for (Outcome outcome : outcomes) {
      if (outcome.transaction() != 0) {
        return table.isCommitted(connection, outcome.id().key(), outcome.transaction())
            && isRemembered(outcome.arrival());
      }
    }
    return isRemembered(outcomes.get(0).arrival());
  }

  private boolean isRemembered(Arrival arrival) throws SQLException {
    Origin number = origin(arrival);
    if (number == null) {
      return !known(List.of(arrival)).isEmpty();
    }
    Mark mark = table.lockMark(connection, MarkKey.of(number));
    return mark != null && !mark.isBefore(Mark.of(number));
  }

  /** Whether its mark tells if it is new; that is asked without a shortcut. */
  private boolean isMarked(Arrival arrival) {
    return mode == InboxMode.WATERMARK || (mode != InboxMode.IDS && arrival.origin() != null);
  }

  private boolean isKnownToBeAboveFloor(Arrival arrival) {
    Instant bornAt = arrival.bornAt();
    Instant known = floor.known();
    return bornAt == null || (known != null && !bornAt.isBefore(known));
  }

  /** The outcomes, in the order of the arrivals. */
  List<Outcome> admit(List<Arrival> arrivals) throws SQLException {
    // Whatever is not found to be new or too old below has come twice in this very call.
    Status[] statuses = new Status[arrivals.size()];
    Arrays.fill(statuses, Status.DUPLICATE);
    Map<UUID, Arrival> byId = new TreeMap<>(InboxTable.KEY_ORDER);
    Map<MarkKey, List<Integer>> byMark = new TreeMap<>();
    for (int i = 0; i < arrivals.size(); i++) {
      Arrival arrival = arrivals.get(i);
      Origin origin = origin(arrival);
      if (origin == null) {
        byId.putIfAbsent(arrival.id().key(), arrival);
      } else {
        byMark.computeIfAbsent(MarkKey.of(origin), key -> new ArrayList<>()).add(i);
      }
    }
    admitByIds(byId, arrivals, statuses);
    for (Map.Entry<MarkKey, List<Integer>> partition : byMark.entrySet()) {
      admitByMark(partition.getKey(), partition.getValue(), arrivals, statuses);
    }
    List<Outcome> outcomes = new ArrayList<>(statuses.length);
    for (int i = 0; i < statuses.length; i++) {
      Arrival arrival = arrivals.get(i);
      boolean isById = origin(arrival) == null;
      outcomes.add(outcome(arrival, statuses[i], isById ? trace.ofIds : trace.ofMarks));
    }
    return outcomes;
  }

  /** What the message's mark is found by; null if it is remembered by its id. */
  private @Nullable Origin origin(Arrival arrival) {
    if (mode == InboxMode.WATERMARK && arrival.origin() == null) {
      throw new InboxException.BadMessage(
          "message "
              + arrival.id()
              + " is not numbered (headers ce_source of at most "
              + Origin.SOURCE_CHARACTERS_MAX
              + " characters without a blank at the end, ce_epoch, ce_sequence)",
          "use mode HYBRID or IDS where others than outbox-agent write to the topic");
    }
    return mode == InboxMode.IDS ? null : arrival.origin();
  }

  private void admitByIds(Map<UUID, Arrival> byId, List<Arrival> arrivals, Status[] statuses)
      throws SQLException {
    List<Entry> candidates = new ArrayList<>();
    List<Arrival> old = new ArrayList<>();
    Set<UUID> forgotten = new HashSet<>();
    for (Map.Entry<UUID, Arrival> entry : byId.entrySet()) {
      if (!committed.contains(entry.getKey())) {
        if (isBelowFloor(entry.getValue())) {
          old.add(entry.getValue());
          forgotten.add(entry.getKey());
        } else {
          candidates.add(entry.getValue().entry());
        }
      }
    }
    Set<UUID> fresh = new HashSet<>(insert(candidates));
    if (!old.isEmpty()) {
      forgotten.removeAll(known(old));
    }
    for (int i = 0; i < statuses.length; i++) {
      UUID key = arrivals.get(i).id().key();
      if (fresh.remove(key)) {
        statuses[i] = Status.NEW;
      } else if (forgotten.contains(key)) {
        statuses[i] = Status.TOO_OLD;
      }
    }
  }

  private boolean isBelowFloor(Arrival arrival) throws SQLException {
    Instant bornAt = arrival.bornAt();
    return bornAt != null && bornAt.isBefore(floor.get(connection, table));
  }

  /** Keys of those that are known, by this key or by the former one. */
  private Set<UUID> known(List<Arrival> arrivals) throws SQLException {
    Set<UUID> keys = new HashSet<>();
    for (Arrival arrival : arrivals) {
      keys.addAll(arrival.id().keys());
    }
    Map<UUID, Stored> found = table.find(connection, keys);
    Set<UUID> known = new HashSet<>();
    for (Arrival arrival : arrivals) {
      if (Stored.of(found, arrival.id()) != null) {
        known.add(arrival.id().key());
      }
    }
    return known;
  }

  private Set<UUID> insert(List<Entry> entries) throws SQLException {
    if (entries.size() > 1) {
      return table.insertAll(connection, entries, trace);
    }
    return entries.isEmpty() || !table.insert(connection, entries.get(0), trace)
        ? Set.of()
        : Set.of(entries.get(0).key());
  }

  private void admitByMark(
      MarkKey key, List<Integer> indexes, List<Arrival> arrivals, Status[] statuses)
      throws SQLException {
    List<Integer> open = new ArrayList<>();
    for (int i : indexes) {
      if (!committed.contains(numberOf(arrivals.get(i)))) {
        open.add(i);
      }
    }
    if (open.isEmpty()) {
      return;
    }
    Origin first = numberOf(arrivals.get(open.get(0)));
    // The usual case, a message alone that is new, takes one statement.
    if (open.size() == 1 && table.advance(connection, key, Mark.of(first), trace)) {
      statuses[open.get(0)] = Status.NEW;
      return;
    }
    PartitionMark mark = PartitionMark.lock(connection, table, key, first.formerSource());
    Set<MessageId> seen = new HashSet<>();
    for (int i : open) {
      Arrival arrival = arrivals.get(i);
      Status status = mark.pass(numberOf(arrival));
      // An event that was published twice has two numbers; the mark passes both of them.
      boolean isRepeated = status == Status.NEW && !seen.add(arrival.id());
      statuses[i] = isRepeated ? Status.DUPLICATE : status;
    }
    mark.keep(trace);
  }

  private static Origin numberOf(Arrival arrival) {
    Origin origin = arrival.origin();
    if (origin == null) {
      throw new IllegalStateException("not numbered: " + arrival.id());
    }
    return origin;
  }
}
