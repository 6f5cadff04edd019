package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.Envelope;
import io.outboxinbox.inbox.MessageId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** What the runner needs of the dead letters. Works in the caller's transaction. */
interface FailedMessages {
  /** Keeps a message that failed and that this transaction has admitted. */
  void add(Connection connection, Envelope envelope, MessageId id, GivenUp why) throws SQLException;

  /**
   * Keeps a message that the inbox does not take.
   *
   * @param id null if it has none
   */
  void addUnadmitted(Connection connection, Envelope envelope, @Nullable MessageId id, GivenUp why)
      throws SQLException;

  /** Keeps a message that waits for others of its key. */
  void addBehind(Connection connection, Envelope envelope, MessageId id) throws SQLException;

  /** Whether a key has dead letters; they stay as they are until the transaction ends. */
  boolean isHeld(Connection connection, String topic, byte[] key) throws SQLException;

  /** The keys of a topic that have dead letters, as {@link #hash} gives them. */
  Set<UUID> heldKeys(Connection connection, String topic) throws SQLException;

  UUID hash(byte[] key);

  /** Whether this very message, by its place, is kept already. */
  boolean contains(Connection connection, Envelope envelope) throws SQLException;
}
