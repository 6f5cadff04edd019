package io.outboxinbox.inbox;

import io.outboxinbox.inbox.Cleaning.End;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Forgets messages that cannot come again, and makes room for those of the next days.
 *
 * <p>Every process of a consumer may run one: one session cleans at a time, the others come back
 * empty-handed. The tables are shared by all consumers in a database, and so is what is forgotten:
 * the shortest {@code keep} counts. May be used by any thread; whoever calls {@link #start} closes
 * it.
 */
public final class InboxRetention implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(InboxRetention.class);

  /** The floor moves by days and must not be younger than what is in flight. */
  private static final Duration KEEP_MIN = Duration.ofHours(1);

  /** Fifty years. Ids hold no time before 1970, and no clock of a database needs it. */
  private static final Duration KEEP_MAX = Duration.ofDays(18_262);

  private static final Duration EVERY_MIN = Duration.ofSeconds(1);

  /** The floor stands at midnight, and may be held up for a while. */
  private static final Duration LATE_AFTER = Duration.ofDays(2);

  /** A transaction of some ten milliseconds. A guess. */
  private static final int ROWS_MAX = 5_000;

  private static final int CONFLICTS_MAX = 5;
  private static final long PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(10);
  private static final long STOPS_WITHIN_SECONDS = 30;

  private final Inbox inbox;
  private final Duration keep;
  private final int rowsMax;
  private @Nullable ScheduledExecutorService thread;
  private boolean isClosed;

  private InboxRetention(Inbox inbox, Duration keep, int rowsMax) {
    if (keep.compareTo(KEEP_MIN) < 0 || keep.compareTo(KEEP_MAX) > 0) {
      throw new InboxException.Misconfigured(
          "inbox " + inbox.consumer() + " is to keep messages for " + keep,
          "keep them as long as they can come again, at least one hour and at most 18,262 days"
              + " (fifty years)");
    }
    this.inbox = inbox;
    this.keep = keep;
    this.rowsMax = rowsMax;
  }

  /**
   * Prepares; nothing runs yet.
   *
   * @param keep how long a message is remembered at least: the longest retention of the topics and
   *     of dead letters, and some days more. At least one hour, at most fifty years
   */
  public static InboxRetention of(Inbox inbox, Duration keep) {
    return new InboxRetention(inbox, keep, ROWS_MAX);
  }

  /** With another number of rows for each transaction. */
  static InboxRetention of(Inbox inbox, Duration keep, int rowsMax) {
    return new InboxRetention(inbox, keep, rowsMax);
  }

  /**
   * Cleans until nothing is left to do, in many short transactions with pauses between them.
   *
   * @param transactions on a database user that may clean: on PostgreSQL it needs EXECUTE on
   *     inbox_clean, on MySQL SELECT, UPDATE on inbox_floor and DELETE on inbox_message
   * @return what was done
   * @throws SQLException what was done until then stays; call it again
   */
  public Cleaning clean(Transactions transactions) throws SQLException {
    Instant floor = null;
    int dropped = 0;
    long deleted = 0;
    while (true) {
      Optional<InboxCleaner.Step> done =
          transactions.<Optional<InboxCleaner.Step>, SQLException>runThroughConflicts(
              CONFLICTS_MAX, this::step);
      if (done.isEmpty()) {
        return new Cleaning(floor, dropped, deleted, End.ELSEWHERE);
      }
      InboxCleaner.Step step = done.get();
      floor = step.floor();
      dropped += step.partitionsDropped();
      deleted += step.rowsDeleted();
      if (step.isDone()) {
        return new Cleaning(floor, dropped, deleted, step.isHeldUp() ? End.HELD_UP : End.DONE);
      }
      if (Thread.currentThread().isInterrupted()) {
        return new Cleaning(floor, dropped, deleted, End.INTERRUPTED);
      }
      LockSupport.parkNanos(PAUSE_NANOS);
    }
  }

  private Optional<InboxCleaner.Step> step(Connection connection) throws SQLException {
    return inbox.guarded(
        connection, table -> inbox.dialect().cleaner(connection).step(connection, keep, rowsMax));
  }

  /**
   * Looks for what a person should mend. Reads only; on PostgreSQL a user without SELECT on
   * inbox_message_default is not told of {@link Finding.Kind#DEFAULT_PARTITION_GROWS}.
   *
   * @return empty if all is well
   */
  public List<Finding> check(Connection connection) throws SQLException {
    return inbox.guarded(
        connection,
        table -> {
          List<Finding> findings =
              new ArrayList<>(inbox.dialect().cleaner(connection).check(connection));
          nobodyCleans(connection, table).ifPresent(findings::add);
          floorAhead(connection, table).ifPresent(findings::add);
          deadLettersBelowFloor(connection, table).ifPresent(findings::add);
          return findings;
        });
  }

  /**
   * Compares with how long messages can come again.
   *
   * @param what such as {@code "topic orders"}
   * @param retention as the broker has it; null for ever
   */
  public Optional<Finding> checkAgainst(String what, @Nullable Duration retention) {
    return retention != null && retention.compareTo(keep) <= 0
        ? Optional.empty()
        : Optional.of(
            new Finding(
                Finding.Kind.KEPT_TOO_SHORT,
                what
                    + " keeps messages "
                    + (retention == null ? "for ever" : "for " + retention)
                    + ", longer than inbox "
                    + inbox.consumer()
                    + " remembers them ("
                    + keep
                    + "): a repeat that is older is refused as too old",
                "let the inbox remember longer than the topic's retention.ms"));
  }

  private String tableOf(String name) {
    return inbox.dialect().schema().table(name);
  }

  private Optional<Finding> nobodyCleans(Connection connection, InboxTable table)
      throws SQLException {
    Instant floor = table.floor(connection);
    Instant movedAt;
    try (PreparedStatement statement =
            connection.prepareStatement("SELECT moved_at FROM " + tableOf("inbox_floor"));
        ResultSet row = statement.executeQuery()) {
      movedAt = row.next() ? table.getTime(row, 1) : Instant.EPOCH;
    }
    Instant now = Instant.now();
    // A floor that has never moved says nothing; then the tables' age does.
    boolean isLate = floor.isBefore(now.minus(keep).minus(LATE_AFTER));
    return isLate && movedAt.isBefore(now.minus(LATE_AFTER))
        ? Optional.of(
            new Finding(
                Finding.Kind.NOBODY_CLEANS,
                "the inbox's floor stands at "
                    + (floor.equals(Instant.EPOCH) ? "the beginning" : floor)
                    + " since "
                    + movedAt
                    + " though messages are to be kept for "
                    + keep,
                "let InboxRetention run, and look into its log"))
        : Optional.empty();
  }

  private Optional<Finding> floorAhead(Connection connection, InboxTable table)
      throws SQLException {
    Instant floor = table.floor(connection);
    Instant now = Instant.now();
    // One that was set to the present is right, and behind what comes from now on.
    return floor.isAfter(now.plus(InboxCleaner.CLOCK_AHEAD_MAX))
        ? Optional.of(
            new Finding(
                Finding.Kind.FLOOR_AHEAD,
                "the inbox's floor stands at "
                    + floor
                    + ", and it is "
                    + now
                    + ": a clock was ahead, and new messages are refused as too old",
                "set the clocks right, then as the tables' owner: "
                    + inbox.dialect().cleaner(connection).resetFloor()))
        : Optional.empty();
  }

  private Optional<Finding> deadLettersBelowFloor(Connection connection, InboxTable table)
      throws SQLException {
    String sql =
        "SELECT count(*), min(sent_at) FROM "
            + tableOf("inbox_dead_letter")
            + " WHERE consumer = ? AND sent_at < (SELECT floor FROM "
            + tableOf("inbox_floor")
            + ")";
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setString(1, inbox.consumer());
      try (ResultSet row = statement.executeQuery()) {
        if (!row.next() || row.getLong(1) == 0) {
          return Optional.empty();
        }
        return Optional.of(
            new Finding(
                Finding.Kind.DEAD_LETTERS_BELOW_FLOOR,
                row.getLong(1)
                    + " dead letters of "
                    + inbox.consumer()
                    + " are older than what the inbox remembers, the oldest of "
                    + table.getTime(row, 2),
                "retry or discard dead letters sooner, or raise keep"));
      }
    }
  }

  /**
   * Cleans from now on, on a daemon thread of its own, and logs what it did and what {@link #check}
   * found.
   *
   * @param every pause between two rounds; an hour is right for most, and a day too long, because a
   *     round may be held up
   */
  public synchronized InboxRetention start(Transactions transactions, Duration every) {
    if (every.compareTo(EVERY_MIN) < 0) {
      throw new InboxException.Misconfigured(
          "inbox " + inbox.consumer() + " is to be cleaned every " + every,
          "use " + EVERY_MIN + " or more");
    }
    if (isClosed || thread != null) {
      throw new InboxException.Misused(
          "cleaning of inbox " + inbox.consumer() + (isClosed ? " was closed" : " runs already"),
          "call InboxRetention.of again and start that one");
    }
    ScheduledExecutorService started =
        Executors.newSingleThreadScheduledExecutor(
            work -> {
              Thread daemon = new Thread(work, "inbox-retention-" + inbox.consumer());
              daemon.setDaemon(true);
              return daemon;
            });
    // Nobody waits for it: a round tells its failures to the log.
    var unused =
        started.scheduleWithFixedDelay(
            () -> round(transactions), 0, every.toMillis(), TimeUnit.MILLISECONDS);
    thread = started;
    return this;
  }

  /** Must not throw: the thread would never run it again. */
  private void round(Transactions transactions) {
    try {
      Cleaning cleaning = clean(transactions);
      if (cleaning.partitionsDropped() > 0 || cleaning.rowsDeleted() > 0) {
        log.info(
            "inbox {} forgot messages made before {}: {} partitions dropped, {} rows deleted, {}",
            inbox.consumer(),
            cleaning.floor(),
            cleaning.partitionsDropped(),
            cleaning.rowsDeleted(),
            cleaning.end());
      }
      for (Finding finding : transactions.run(this::check)) {
        log.warn("inbox {}: {}", inbox.consumer(), finding);
      }
    } catch (SQLException | RuntimeException e) {
      log.warn(
          "inbox {} was not cleaned and checked to the end; trying again later",
          inbox.consumer(),
          e);
    }
  }

  /** Ends the thread, after the transaction it is in. May be called again, and before start. */
  @Override
  public void close() {
    ScheduledExecutorService running;
    synchronized (this) {
      isClosed = true;
      running = thread;
    }
    if (running == null) {
      return;
    }
    running.shutdownNow();
    try {
      if (!running.awaitTermination(STOPS_WITHIN_SECONDS, TimeUnit.SECONDS)) {
        log.warn(
            "cleaning of inbox {} has not ended within {} s; its thread ends by itself",
            inbox.consumer(),
            STOPS_WITHIN_SECONDS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
