package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.DeadLetters;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Collection;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The keys that may have dead letters, kept in memory so that messages of all others need no
 * question. Never fewer than there are in the database; whoever finds a key here asks there, under
 * lock, because an operator may have released it meanwhile. Any thread.
 */
final class HeldKeys {
  /** Up to here it is quicker to read all held keys than to ask for each key of a batch. */
  private static final int READ_ALL_MAX = 1_000;

  private static final int ASK_EACH_MAX = 5;

  private final DeadLetters deadLetters;
  private final Map<String, Set<UUID>> keysByTopic = new ConcurrentHashMap<>();

  HeldKeys(DeadLetters deadLetters) {
    this.deadLetters = deadLetters;
  }

  /** Reads what is held when a partition of the topic is taken over. */
  void load(Connection connection, String topic) throws SQLException {
    of(topic).addAll(deadLetters.heldKeys(connection, topic));
  }

  boolean mayHold(String topic, byte[] key) {
    Set<UUID> keys = of(topic);
    return !keys.isEmpty() && keys.contains(DeadLetters.hashOf(key));
  }

  void add(String topic, byte[] key) {
    of(topic).add(DeadLetters.hashOf(key));
  }

  void remove(String topic, byte[] key) {
    of(topic).remove(DeadLetters.hashOf(key));
  }

  /** Nothing of the topic is ours any more. */
  void forget(String topic) {
    keysByTopic.remove(topic);
  }

  /**
   * Looks for dead letters of keys that somebody else has worked on. A consumer that lost its
   * partition in the middle of a transaction can make one after we have read what is held; we see
   * it by the message being a duplicate, and its next message must wait behind it.
   */
  void learn(Connection connection, String topic, Collection<byte[]> keys) throws SQLException {
    if (keys.size() > ASK_EACH_MAX && of(topic).size() < READ_ALL_MAX) {
      load(connection, topic);
      return;
    }
    for (byte[] key : keys) {
      if (deadLetters.isHeld(connection, topic, key)) {
        add(topic, key);
      }
    }
  }

  private Set<UUID> of(String topic) {
    return keysByTopic.computeIfAbsent(topic, name -> ConcurrentHashMap.newKeySet());
  }
}
