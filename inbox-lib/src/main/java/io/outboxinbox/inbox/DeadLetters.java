package io.outboxinbox.inbox;

import io.outboxinbox.inbox.DeadLetter.State;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Messages that a consumer has set aside: those that could not be handled, and, where their key is
 * held, those of the same key that came after them. Nothing leaves here but by a retry, by {@link
 * #discard} or by {@link #purge}.
 *
 * <p>A key is held while it has dead letters; the smallest id is in front and has to be settled
 * first. Messages without a key are never held. What waits is not handled by itself once the front
 * is settled: {@link #retryAll} and {@link #retryKey} go on with it, in order.
 *
 * <p>Methods with a connection work in the caller's transaction; methods with {@link Transactions}
 * run their own. Any number of threads and processes may work on the same dead letters: a row is
 * locked while it is retried, and gone in the transaction that holds its effects.
 */
public final class DeadLetters {
  private static final Logger LOG = LoggerFactory.getLogger(DeadLetters.class);

  /** Small enough to be held in memory with large keys, and large enough to save round trips. */
  private static final int PAGE = 500;

  /** How often a key may be released and held again while we look. Three is beyond belief. */
  private static final int LOOKS_MAX = 3;

  /** Short transactions, so that a purge does not keep retries waiting. */
  private static final int PURGE_BATCH = 1000;

  private static final int CONFLICTS_MAX = 10;

  private final Inbox inbox;
  private final DeadLetterTable table;
  private final DeadLetterRetry retry;

  private DeadLetters(Inbox inbox, InstantSource clock) {
    this.inbox = inbox;
    this.table = new DeadLetterTable(inbox.dialect(), inbox.consumer(), clock);
    this.retry = new DeadLetterRetry(inbox, table);
  }

  /** The dead letters of the inbox's consumer, in the inbox's schema. */
  public static DeadLetters of(Inbox inbox) {
    return new DeadLetters(inbox, InstantSource.system());
  }

  /** With a clock for tests. */
  static DeadLetters of(Inbox inbox, InstantSource clock) {
    return new DeadLetters(inbox, clock);
  }

  /**
   * Sets a message aside that could not be handled. To be called in the transaction in which the
   * inbox has admitted it, so that a redelivery is a duplicate. Whoever holds keys asks {@link
   * #isHeld} first, and calls {@link #addBehind} if it is.
   *
   * @param id null counts as not admitted, see {@link #addUnadmitted}
   * @return the dead letter's id
   */
  public long add(Connection connection, Envelope envelope, @Nullable MessageId id, Failure failure)
      throws SQLException {
    return inTransaction(
        connection, () -> table.insert(connection, envelope, id, id != null, failure));
  }

  /**
   * Sets a message aside that the inbox did not admit: it has no usable id, is too old, or was
   * refused. Its redelivery is not a duplicate to the inbox, so ask {@link #contains} first. When
   * it is retried, the inbox admits it by its id, or by its place if it has none; so it is handled
   * once even if it was kept twice.
   *
   * @return the dead letter's id
   */
  public long addUnadmitted(
      Connection connection, Envelope envelope, @Nullable MessageId id, Failure failure)
      throws SQLException {
    return inTransaction(connection, () -> table.insert(connection, envelope, id, false, failure));
  }

  /**
   * Lets a message wait behind others of its key. To be called in the transaction in which {@link
   * #isHeld} said so and the inbox has admitted it.
   *
   * @return the dead letter's id
   */
  public long addBehind(Connection connection, Envelope envelope, MessageId id)
      throws SQLException {
    if (envelope.key() == null) {
      throw new InboxException.Misused(
          "message " + envelope.place() + " has no key, so it cannot wait behind others of its key",
          "handle it, or add it with a failure");
    }
    return inTransaction(connection, () -> table.insert(connection, envelope, id, true, null));
  }

  /**
   * Whether a message of this key has to wait. If so, the front of the key stays locked until the
   * transaction ends: nobody can settle the last dead letter before this message stands behind it.
   * Waits while the front is being retried.
   *
   * @param key null is never held
   * @throws InboxException.Retryable run the whole transaction again
   */
  public boolean isHeld(Connection connection, String topic, byte @Nullable [] key)
      throws SQLException {
    if (key == null) {
      return false;
    }
    UUID hash = hashOf(key);
    return inTransaction(
        connection,
        () -> {
          for (int look = 0; look < LOOKS_MAX; look++) {
            if (table.lockFront(connection, topic, hash) != null) {
              return true;
            }
            // A front that vanished while we waited for it says nothing of rows that are younger
            // than our statement. They are seen by the next one.
            if (table.front(connection, topic, hash) == null) {
              return false;
            }
          }
          throw new InboxException.Retryable(
              "a key of topic " + topic + " is being released and held again");
        });
  }

  /**
   * The keys of a topic that have dead letters, as {@link #hashOf(byte[])} has them. All of them
   * are read into memory.
   */
  public Set<UUID> heldKeys(Connection connection, String topic) throws SQLException {
    return guarded(connection, () -> table.heldKeys(connection, topic));
  }

  /** What a record key is known by, here and in column {@code record_key_hash}. */
  public static UUID hashOf(byte[] key) {
    ByteBuffer hash = ByteBuffer.wrap(Sha256.of(key));
    return new UUID(hash.getLong(), hash.getLong());
  }

  static UUID hashOf(String text) {
    return hashOf(text.getBytes(StandardCharsets.UTF_8));
  }

  /**
   * Whether this very message was set aside before: same topic, partition, offset and time of
   * sending. Of a message without id it also tells whether it was retried or discarded since, as
   * long as the inbox remembers. For messages the inbox does not admit. Two members that get the
   * same message at the same moment may both be told no.
   */
  public boolean contains(Connection connection, Envelope envelope) throws SQLException {
    return guarded(connection, () -> table.contains(connection, envelope));
  }

  /**
   * Reads a page, without payloads and headers, in the order of ids.
   *
   * @param max 1 or more
   * @param afterId the last id of the page before; 0 for the first page
   */
  public List<DeadLetter> list(
      Connection connection, DeadLetterFilter filter, int max, long afterId) throws SQLException {
    if (max < 1) {
      throw new IllegalArgumentException("max is " + max + "; it must be 1 or more");
    }
    return guarded(connection, () -> table.list(connection, filter, max, afterId));
  }

  /** Reads one with payload and headers; empty if there is none of this consumer. */
  public Optional<DeadLetter> show(Connection connection, long id) throws SQLException {
    return guarded(connection, () -> Optional.ofNullable(table.find(connection, id)));
  }

  /** How many there are. */
  public long count(Connection connection, DeadLetterFilter filter) throws SQLException {
    return guarded(connection, () -> table.count(connection, filter));
  }

  /**
   * Handles one again, in one transaction with its removal. Whoever comes while another is at the
   * same one waits, and then finds it gone. If the handler fails, its effects are rolled back and
   * the attempt is counted in a transaction of its own.
   *
   * <p>The handler gets a message without {@link Origin}. A message without id gets one made of its
   * place.
   *
   * @throws SQLException the database is away or refuses, or a table or a right is missing that the
   *     handler needs ({@link RetryAdvice#MEND}): nothing was done and no attempt counted. Or the
   *     handler has failed and the attempt could not be counted
   */
  public RetryOutcome retry(Transactions transactions, long id, MessageHandler handler)
      throws SQLException {
    return retry.retry(transactions, id, handler, false);
  }

  /**
   * As {@link #retry}, but neither order nor age holds it back. What is in front of it in its key
   * will be handled after it, so its effects may be overwritten by older ones. If the inbox does
   * not remember so far back, a redelivery may have been handled meanwhile, and its effects will be
   * there twice. Look first.
   */
  public RetryOutcome retryByForce(Transactions transactions, long id, MessageHandler handler)
      throws SQLException {
    return retry.retry(transactions, id, handler, true);
  }

  /**
   * Handles all again that fit and were there when it began, each in a transaction of its own, in
   * the order of their ids. Where one has been settled, those that wait behind it follow at once,
   * whether they fit the filter or not, up to the next one that failed. A key stops at its first
   * failure; other keys go on. An interrupt ends it between two of them.
   *
   * <p>What has failed by a {@link TransactionEndedException} may have its effects already. It is
   * left out, and holds its key, unless the filter names that class as reason.
   *
   * @throws SQLException as {@link #retry}; what was settled stays so
   */
  public RetrySummary retryAll(
      Transactions transactions, DeadLetterFilter filter, MessageHandler handler)
      throws SQLException {
    return retryAll(transactions, filter, handler, PAGE);
  }

  RetrySummary retryAll(
      Transactions transactions, DeadLetterFilter filter, MessageHandler handler, int page)
      throws SQLException {
    return retry.retryAll(transactions, filter, handler, page);
  }

  /** As {@link #retryAll}, for one key of a topic. */
  public RetrySummary retryKey(
      Transactions transactions, String topic, byte[] key, MessageHandler handler)
      throws SQLException {
    return retryAll(transactions, DeadLetterFilter.all().ofKey(topic, key), handler);
  }

  /**
   * Gives one up for good. What waits behind it moves up and can be retried. Waits while it is
   * being retried.
   *
   * @param reason for the log, where it is written with the dead letter's id, place and failure
   * @return false if there is none of this consumer
   */
  public boolean discard(Transactions transactions, long id, String reason) throws SQLException {
    if (reason.isBlank()) {
      throw new InboxException.Misused(
          "dead letter " + id + " is to be discarded for no reason", "say why; it will be logged");
    }
    Optional<DeadLetter> removed =
        transactions.runThroughConflicts(
            CONFLICTS_MAX, c -> inTransaction(c, () -> Optional.ofNullable(remove(c, id))));
    if (removed.isEmpty()) {
      return false;
    }
    DeadLetter discarded = removed.get();
    Failure failure = discarded.failure();
    LOG.info(
        "consumer {}: dead letter {} of {} ({}) discarded: {}",
        inbox.consumer(),
        id,
        discarded.place(),
        failure == null ? State.WAITING.column() : failure.reason(),
        StoredText.shortened(reason, Failure.DETAIL_CHARACTERS_MAX));
    return true;
  }

  private @Nullable DeadLetter remove(Connection connection, long id) throws SQLException {
    DeadLetter removed = table.remove(connection, id);
    if (removed != null && removed.messageId() == null) {
      // Else its redelivery would be set aside again: nothing but its place tells it.
      inbox.admitById(connection, removed.arrival());
    }
    return removed;
  }

  /**
   * Gives up all that were set aside longer ago, whether they failed or wait; what is younger moves
   * up. In batches, each in a transaction of its own. Nothing calls this by itself. A message
   * without id that comes again afterwards is set aside again.
   *
   * @param olderThan positive
   * @return how many; it is logged as well
   */
  public int purge(Transactions transactions, Duration olderThan) throws SQLException {
    if (olderThan.isNegative() || olderThan.isZero()) {
      throw new InboxException.Misused(
          "purge(olderThan) is " + olderThan, "pass a positive duration, such as 30 days");
    }
    int purged = 0;
    int batch;
    do {
      batch =
          transactions.runThroughConflicts(
              CONFLICTS_MAX, c -> inTransaction(c, () -> table.purge(c, olderThan, PURGE_BATCH)));
      purged += batch;
    } while (batch == PURGE_BATCH);
    LOG.info(
        "consumer {}: {} dead letters older than {} purged", inbox.consumer(), purged, olderThan);
    return purged;
  }

  private interface Statements<T> {
    T run() throws SQLException;
  }

  private <T> T inTransaction(Connection connection, Statements<T> statements) throws SQLException {
    SqlFaults.requireTransaction(connection);
    return guarded(connection, statements);
  }

  /** Reading alone does no harm outside of a transaction. */
  private <T> T guarded(Connection connection, Statements<T> statements) throws SQLException {
    try {
      return statements.run();
    } catch (SQLException e) {
      SqlFaults.explain(e, inbox.dialect().table(connection).schemaFile());
      throw e;
    }
  }
}
