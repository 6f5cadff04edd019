package io.outboxinbox.inbox;

import io.outboxinbox.inbox.InboxTable.Mark;
import io.outboxinbox.inbox.InboxTable.MarkKey;
import io.outboxinbox.inbox.InboxTable.Trace;
import io.outboxinbox.inbox.Outcome.Status;
import java.sql.Connection;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/**
 * The mark of one partition while messages pass it, in one transaction. It goes on into another
 * epoch only with the message that brings it: what lies before that message, in this partition or
 * in others, is still to be handled.
 */
final class PartitionMark {
  private final Connection connection;
  private final InboxTable table;
  private final MarkKey key;
  private final @Nullable Mark stored;

  /** The last message passed; at first of the source's former name where it has none of its own. */
  private @Nullable Mark mark;

  private boolean hasMoved;

  private PartitionMark(
      Connection connection,
      InboxTable table,
      MarkKey key,
      @Nullable Mark stored,
      @Nullable Mark mark) {
    this.connection = connection;
    this.table = table;
    this.key = key;
    this.stored = stored;
    this.mark = mark;
  }

  /** Reads the mark and keeps others from moving it until the transaction ends. */
  static PartitionMark lock(
      Connection connection, InboxTable table, MarkKey key, @Nullable String formerSource)
      throws SQLException {
    Mark stored = table.lockMark(connection, key);
    Mark mark = stored;
    if (stored == null && formerSource != null) {
      // A library that did not know the ids of sources may have handled some of its messages.
      mark = table.lockMark(connection, new MarkKey(formerSource, key.topic(), key.partition()));
    }
    return new PartitionMark(connection, table, key, stored, mark);
  }

  /**
   * Says what a message is, and stands at it from then on if it is new.
   *
   * @throws InboxException.Misconfigured it begins an epoch that nobody has accepted
   */
  Status pass(Origin origin) throws SQLException {
    Mark next = Mark.of(origin);
    Mark last = mark;
    if (last == null) {
      return moveTo(next);
    }
    if (next.epoch() == last.epoch()) {
      return next.sequence() > last.sequence() ? moveTo(next) : Status.DUPLICATE;
    }
    if (next.epoch() > last.epoch()) {
      requireAccepted(origin, last);
      table.epochs().end(connection, key, last);
      return moveTo(next);
    }
    Mark end = table.epochs().endOf(connection, key, next.epoch());
    if (end != null && next.sequence() <= end.sequence()) {
      return Status.DUPLICATE;
    }
    // Two sources had one name, and the mark of that name is the other's. Which of this one's
    // messages it has let through, nobody knows; who accepts the epoch decides.
    boolean isOfAnother = stored == null && !hasMoved;
    return isOfAnother && table.epochs().isAccepted(connection, key.source(), next.epoch())
        ? moveTo(next)
        : Status.TOO_OLD;
  }

  private Status moveTo(Mark next) {
    mark = next;
    hasMoved = true;
    return Status.NEW;
  }

  private void requireAccepted(Origin origin, Mark last) throws SQLException {
    if (!table.epochs().isAccepted(connection, origin.source(), origin.epoch())) {
      throw new InboxException.Misconfigured(
          "source "
              + origin.source()
              + " has begun epoch "
              + origin.epoch()
              + " after epoch "
              + last.epoch()
              + " in "
              + origin.topic()
              + "-"
              + origin.partition()
              + ": its agent was reset and may send events again under new numbers",
          "make sure that repeats do no harm, then call Inbox.acceptEpoch or run "
              + table.epochs().acceptance(origin.source(), origin.epoch()));
    }
  }

  /** Writes the mark down. */
  void keep(Trace trace) throws SQLException {
    Mark last = mark;
    if (last == null || !hasMoved) {
      return;
    }
    if (stored != null) {
      table.move(connection, key, last, trace);
    } else if (!table.begin(connection, key, last, trace)) {
      // There was no mark to lock, and another transaction has made one meanwhile.
      throw new InboxException.Retryable(
          "another consumer began partition " + key.partition() + " of " + key.topic() + " too");
    }
  }
}
