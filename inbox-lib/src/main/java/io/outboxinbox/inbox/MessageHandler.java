package io.outboxinbox.inbox;

import java.sql.Connection;

/** What a consumer does with a message. May be called by several threads at once. */
@FunctionalInterface
public interface MessageHandler {
  /**
   * Writes the effects of a new message.
   *
   * @param connection in the transaction that also holds the message's id; use no other for the
   *     effects, and neither commit nor roll back, also not by SQL. It ends with this call: wait
   *     for other threads that write on it
   * @throws Exception rolls everything back; the message is tried again, and at last kept as a dead
   *     letter
   */
  void handle(Connection connection, Message message) throws Exception;
}
