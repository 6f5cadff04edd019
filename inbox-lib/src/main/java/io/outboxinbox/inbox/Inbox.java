package io.outboxinbox.inbox;

import io.outboxinbox.inbox.HandlerConnection.Caller;
import io.outboxinbox.inbox.InboxTable.Stored;
import io.outboxinbox.inbox.Outcome.Status;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Tells new messages from repeats, inside the caller's transaction.
 *
 * <p>Ask first, with the first statement of the transaction; where the answer is {@link
 * Status#NEW}, do the work on the same connection, and commit. Id and effects then become durable
 * together, or neither does. After the commit, {@link #committed} spares the database the next
 * repeat.
 *
 * <p>Never opens, commits or rolls back a transaction, unless told to by {@link #commitAndAdmit}.
 * Any number of threads may share an inbox, each with its own connection to the same database.
 * Nothing has to be closed. After the database was restored from a backup, start the process anew:
 * what it knows of commits may not be true any more.
 */
public final class Inbox {
  private final String consumer;
  private final InboxMode mode;
  private final Dialect dialect;
  private final Floor floor;
  private final CommittedMessages committed;
  private final CommitGuard guard = new CommitGuard();

  private Inbox(Builder builder) {
    this.consumer = builder.consumer;
    this.mode = builder.mode;
    this.dialect = new Dialect(builder.schema, builder.consumer);
    this.floor = new Floor(builder.nanoTime);
    this.committed = new CommittedMessages(builder.cachedIdsMax);
  }

  /**
   * Begins an inbox with the defaults: mode {@link InboxMode#IDS}, tables on the search path.
   *
   * @param consumer who handles the messages, 1 to 100 characters, no blank at the end. All
   *     processes that share the work use one name; another name handles every message again
   */
  public static Builder named(String consumer) {
    return new Builder(consumer);
  }

  public String consumer() {
    return consumer;
  }

  public InboxMode mode() {
    return mode;
  }

  /** As {@link #admit(Connection, Arrival)}, for a message of which nothing but the id is known. */
  public Outcome admit(Connection connection, MessageId id) throws SQLException {
    return admit(connection, Arrival.of(id));
  }

  /**
   * Remembers a message and says whether it is new. Waits while another transaction is at the same
   * message.
   *
   * @param connection in a transaction, best before its other statements
   * @throws InboxException.Retryable run the whole transaction again
   * @throws InboxException.Misused the connection cannot hold the promise
   * @throws InboxException.BadMessage this mode needs an {@link Origin} and there is none
   * @throws InboxException.Misconfigured tables are missing, or a new epoch has to be accepted
   * @throws SQLException ask {@link RetryAdvice}; 40001 is usual at REPEATABLE READ and above
   */
  public Outcome admit(Connection connection, Arrival arrival) throws SQLException {
    return guarded(connection, table -> admission(mode, connection, table).admitOne(arrival));
  }

  /**
   * Remembers messages and says which are new, with few statements however many there are.
   *
   * @param arrivals in any order for {@link InboxMode#IDS}, in the order of their partitions for
   *     the other modes. Where one comes twice, the second is a duplicate
   * @return one outcome for each, same order
   * @throws InboxException as {@link #admit(Connection, Arrival)}, for all of them at once
   */
  public List<Outcome> admitAll(Connection connection, List<Arrival> arrivals) throws SQLException {
    return guarded(connection, table -> admission(mode, connection, table).admit(arrivals));
  }

  /**
   * Commits, for callers that already have their next message at hand: where the database's driver
   * can (PostgreSQL's own, messages remembered by their ids), the same round trip also begins the
   * next transaction and admits that message. Otherwise this is {@link Connection#commit}; on MySQL
   * and MariaDB only for work of {@link Transactions}, by which a transaction is known again.
   *
   * @param current what this transaction has admitted and done
   * @param next handled at once if it is new, by this caller on this connection
   * @return the outcome of next, in a transaction that is open now; empty if next has to be
   *     admitted as usual. Either way current is committed: call {@link #committed}
   * @throws SQLException as the commit, 25P02 where a statement of this transaction has failed, and
   *     25P01 where the transaction has ended already: current is not committed, or nobody knows
   *     (08007, or a connection that is lost; ask {@link RetryAdvice}). Roll back and run it again;
   *     the inbox knows. Next is not admitted
   * @throws InboxException.Misused on MySQL and MariaDB, where no {@link Transactions} has begun
   *     this transaction: nobody can tell whether it is still the one that admitted current.
   *     Nothing is committed
   */
  public Optional<Outcome> commitAndAdmit(Connection connection, Outcome current, Arrival next)
      throws SQLException {
    guard.requireCommittable(connection);
    if (current.isNew() && guard.isIdle(connection)) {
      throw CommitGuard.ended();
    }
    // What fails here may be the commit, so it is no statement of ours to be explained.
    Optional<Outcome> admitted =
        admission(mode, connection, dialect.table(connection)).commitAndAdmit(current, next);
    if (admitted.isEmpty()) {
      // For Transactions, which will ask for it again.
      guard.begin(connection);
    }
    return admitted;
  }

  /**
   * A connection for a handler, for one call of it; for those who run handlers themselves.
   *
   * @param connection in the transaction in which the message was admitted
   * @param admitted the answer to that, or to one of several
   * @param watch is told what the handler does with it
   */
  public HandlerConnection handlerConnection(
      Connection connection, Outcome admitted, HandlerConnection.Watch watch) throws SQLException {
    return handlerConnection(connection, admitted.transaction(), watch);
  }

  HandlerConnection handlerConnection(
      Connection connection, long transaction, HandlerConnection.Watch watch) throws SQLException {
    return new HandlerConnection(connection, guard, watch, Caller.HANDLER, transaction);
  }

  /**
   * Whether a transaction was committed of which {@link HandlerConnection#mayHaveCommitted} cannot
   * tell. On PostgreSQL its number says so together with the row or mark, on MySQL and MariaDB the
   * rows do. Somebody else's work is taken for its own only where marks are used there, and on
   * PostgreSQL for a number that the server has not given yet, as after a failover that lost it.
   *
   * @param connection in another transaction, begun afterwards
   * @param outcomes one or more that were new in it
   * @throws InboxException.Retryable it is still open
   */
  public boolean isCommitted(Connection connection, List<Outcome> outcomes) throws SQLException {
    return guarded(connection, table -> admission(mode, connection, table).isCommitted(outcomes));
  }

  /**
   * Tells the inbox that the transaction in which it gave these answers has committed. Only a hint
   * that saves work; leaving it out is safe, calling it before the commit is not, nor is it for
   * what was rolled back to a savepoint.
   */
  public void committed(Collection<Outcome> outcomes) {
    for (Outcome outcome : outcomes) {
      if (!outcome.isTooOld()) {
        Origin origin = outcome.arrival().origin();
        if (origin != null && mode != InboxMode.IDS) {
          committed.add(origin);
        } else {
          committed.add(outcome.id().key());
        }
      }
    }
  }

  /** What was stored with the first handling of a message; empty if nothing was. */
  public Optional<byte[]> result(Connection connection, MessageId id) throws SQLException {
    return Optional.ofNullable(stored(connection, id).result());
  }

  /**
   * Stores a result with a message that this transaction has admitted by its id.
   *
   * @param result any bytes; they are kept as long as the id
   */
  public void storeResult(Connection connection, MessageId id, byte[] result) throws SQLException {
    store(connection, id, new Stored(InboxTable.MESSAGE, result));
  }

  private Stored stored(Connection connection, MessageId id) throws SQLException {
    Stored stored = Stored.of(guarded(connection, table -> table.find(connection, id.keys())), id);
    return stored == null ? new Stored(null, null) : stored;
  }

  private void store(Connection connection, MessageId id, Stored stored) throws SQLException {
    boolean isThere = guarded(connection, table -> table.store(connection, id.key(), stored));
    if (!isThere) {
      throw new InboxException.Misused(
          "inbox " + consumer + " has no message " + id + " to store a result with",
          "admit it first, by its id and in the same transaction");
    }
  }

  /** As {@link #once(Connection, String, byte[], Work)}, where repeats need not be compared. */
  public <E extends Exception> byte @Nullable [] once(
      Connection connection, String key, Work<E> work) throws SQLException, E {
    return once(connection, key, null, work);
  }

  /**
   * Does work once for a key, for calls that are not messages: requests with an idempotency key,
   * jobs. Whoever comes while the first is at it waits for the first; whoever comes later gets the
   * first result.
   *
   * @param key chosen by who calls, as {@link MessageId#of(String)} takes it. Keys of requests and
   *     ids of messages are two kinds: equal ones do not hide each other
   * @param request what is asked for; null if repeats need not be compared with the first
   * @return what the work returned, this time or the first
   * @throws InboxException.BadMessage the key came before with another request
   * @throws InboxException.Forgotten the key is older than what is remembered; nothing was done
   * @throws InboxException.Unfinished the work of an earlier call has begun and is not done, and
   *     its key is there all the same: it has ended its transaction, or it has thrown and somebody
   *     has committed; or this call is made by work of the same key. Nothing was done
   * @throws SQLException as {@link #admit(Connection, Arrival)}, and {@link
   *     TransactionEndedException} where the work has ended the transaction: what it had written by
   *     then may be committed, and with it the key; roll back
   * @throws E what the work throws; roll back, and the next caller is the first again
   */
  public <E extends Exception> byte @Nullable [] once(
      Connection connection, String key, byte @Nullable [] request, Work<E> work)
      throws SQLException, E {
    MessageId id = MessageId.ofRequest(key);
    byte @Nullable [] hash = request == null ? null : Sha256.of(request);
    Outcome outcome =
        guarded(
            connection,
            table -> admission(InboxMode.IDS, connection, table).admitOne(Arrival.of(id)));
    return switch (outcome.status()) {
      case NEW -> first(connection, outcome, hash, work);
      case DUPLICATE -> repeated(connection, id, hash);
      case TOO_OLD ->
          throw new InboxException.Forgotten(
              "key " + id + " is older than what inbox " + consumer + " remembers",
              "look whether it was done, and use a new key if not");
    };
  }

  private <E extends Exception> byte @Nullable [] first(
      Connection connection, Outcome admitted, byte @Nullable [] hash, Work<E> work)
      throws SQLException, E {
    MessageId id = admitted.id();
    // Works of several keys may lie in each other.
    String savepoint = "inbox_once_" + id.key().toString().replace("-", "");
    guard.begin(connection, savepoint);
    byte @Nullable [] result;
    try (HandlerConnection given =
        new HandlerConnection(
            connection, guard, HandlerConnection.Watch.NONE, Caller.WORK, admitted.transaction())) {
      result = work.run(given.connection());
      given.requireUnended();
    }
    guard.requireUnended(connection, savepoint);
    // Also where there is nothing to keep: until then the key says that its work is not done.
    store(connection, id, new Stored(hash, result));
    return result;
  }

  private byte @Nullable [] repeated(Connection connection, MessageId id, byte @Nullable [] hash)
      throws SQLException {
    Stored stored = stored(connection, id);
    if (Arrays.equals(stored.requestHash(), InboxTable.MESSAGE)) {
      throw new InboxException.Unfinished(
          "key "
              + id
              + " belongs to work that has begun and is not done: it is used within itself, or it"
              + " has failed and its transaction was committed all the same, or it has ended its"
              + " transaction itself; so its effects may be there in part",
          "work within work needs a key of its own. Otherwise look what is there, roll back where"
              + " once throws, mend work that commits, and do what is left under a new key. A key"
              + " that a build of November 2026 has used without request and result looks the same,"
              + " and its work is done");
    }
    if (hash != null && !Arrays.equals(hash, stored.requestHash())) {
      throw new InboxException.BadMessage(
          "key " + id + " was used before for another request", "use a new key");
    }
    return stored.result();
  }

  /**
   * Lets the messages of a source begin again in a new epoch, for {@link InboxMode#WATERMARK} and
   * {@link InboxMode#HYBRID}. A new epoch means that the agent was reset and may send events again
   * that it had sent; they cannot be told by their numbers. Commit afterwards. Each partition goes
   * on into the epoch when it comes to it, so that nothing before it is left out.
   *
   * @param source as the refusal named it
   * @param epoch as the refusal named it
   * @return how many partitions stand in an earlier epoch
   */
  public int acceptEpoch(Connection connection, String source, long epoch) throws SQLException {
    return guarded(
        connection,
        table -> {
          table.epochs().accept(connection, source, epoch);
          return table.epochs().marksBefore(connection, source, epoch);
        });
  }

  /** As {@link #admit(Connection, Arrival)}, by its id whatever the mode: for a second chance. */
  Outcome admitById(Connection connection, Arrival arrival) throws SQLException {
    return guarded(
            connection,
            table -> admission(InboxMode.IDS, connection, table).admit(List.of(arrival)))
        .get(0);
  }

  Dialect dialect() {
    return dialect;
  }

  /** Messages made before this moment may have been forgotten. */
  Instant floor(Connection connection) throws SQLException {
    return guarded(connection, table -> floor.get(connection, table));
  }

  /** Work to be done once. */
  @FunctionalInterface
  public interface Work<E extends Exception> {
    /**
     * Does the work.
     *
     * @param connection the caller's, as a handler gets it: without the end of its transaction, and
     *     only until the work returns
     * @return what repeats get as well; null for nothing
     */
    byte @Nullable [] run(Connection connection) throws E;
  }

  /** Statements on the inbox's tables. */
  interface Statements<T> {
    T on(InboxTable table) throws SQLException;
  }

  /** Runs statements and explains what a person has to mend where they fail. */
  <T> T guarded(Connection connection, Statements<T> statements) throws SQLException {
    SqlFaults.requireTransaction(connection);
    InboxTable table = dialect.table(connection);
    try {
      return statements.on(table);
    } catch (SQLException e) {
      if (table.isBelowFloor(e)) {
        // It moved since we had read it, and what we took for new may only have been forgotten.
        floor.forget();
        throw new InboxException.Retryable("the admission floor has moved");
      }
      SqlFaults.explain(e, table.schemaFile());
      throw e;
    }
  }

  private Admission admission(InboxMode as, Connection connection, InboxTable table) {
    return new Admission(as, floor, committed, connection, table);
  }

  /** Settings of an inbox. */
  public static final class Builder {
    private static final int CONSUMER_CHARACTERS_MAX = 100;

    private final String consumer;
    private InboxMode mode = InboxMode.IDS;
    private SchemaName schema = SchemaName.CURRENT;
    private LongSupplier nanoTime = System::nanoTime;

    /** A guess: some minutes of a busy topic, in about ten megabytes. */
    private long cachedIdsMax = 100_000;

    private Builder(String consumer) {
      if (consumer.isBlank() || consumer.length() > CONSUMER_CHARACTERS_MAX) {
        throw new InboxException.Misconfigured(
            "the consumer's name '" + consumer + "' has " + consumer.length() + " characters",
            "use 1 to " + CONSUMER_CHARACTERS_MAX + ", such as the name of the service");
      }
      if (consumer.endsWith(" ")) {
        // MySQL takes names for equal that differ in blanks at their end.
        throw new InboxException.Misconfigured(
            "the consumer's name '" + consumer + "' ends with a blank",
            "use it without, and see to rows of that name as CHANGELOG.md says");
      }
      this.consumer = consumer;
    }

    public Builder mode(InboxMode newMode) {
      this.mode = newMode;
      return this;
    }

    /**
     * Where the inbox tables are, if not on the connection's search path. On PostgreSQL the path of
     * the first connection counts for all.
     */
    public Builder schema(String name) {
      this.schema = new SchemaName(name);
      return this;
    }

    /** How many ids of committed messages are kept in memory; 0 for none. */
    public Builder cachedIdsMax(long number) {
      if (number < 0) {
        throw new InboxException.Misconfigured(
            "cachedIdsMax is " + number, "use 0 for no cache, or a positive number");
      }
      this.cachedIdsMax = number;
      return this;
    }

    /** A clock for tests. */
    Builder nanoTime(LongSupplier clock) {
      this.nanoTime = clock;
      return this;
    }

    public Inbox build() {
      return new Inbox(this);
    }
  }
}
