package io.outboxinbox.inbox;

import java.sql.Connection;
import java.util.List;

/** What a consumer does with several messages at once. May be called by several threads at once. */
@FunctionalInterface
public interface BatchHandler {
  /**
   * Writes the effects of new messages, with fewer statements than one by one.
   *
   * @param connection as in {@link MessageHandler#handle}
   * @param messages 1 or more, all new, in the order of their partitions
   * @throws Exception rolls everything back; the messages are tried again one by one
   */
  void handle(Connection connection, List<Message> messages) throws Exception;

  /** Calls a handler for one message after the other. */
  static BatchHandler oneByOne(MessageHandler handler) {
    return (connection, messages) -> {
      for (Message message : messages) {
        handler.handle(connection, message);
      }
    };
  }
}
