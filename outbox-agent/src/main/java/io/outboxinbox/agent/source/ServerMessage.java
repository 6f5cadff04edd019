package io.outboxinbox.agent.source;

import java.sql.SQLException;

/** What a server says of a failure, as far as it may be shown. */
public final class ServerMessage {
  private ServerMessage() {}

  /**
   * The message of a failure, and how to find who is in the way of a lock; only its SQLState where
   * the message may quote a row: a value that has the wrong form, or what somebody's own function
   * raises.
   */
  public static String of(SQLException failure, SourceConfiguration source) {
    if (LockLimit.isOver(failure)) {
      return LockHolder.explanation(source.schema());
    }
    String state = failure.getSQLState() == null ? "" : failure.getSQLState();
    return state.startsWith("22") || state.startsWith("P0")
        ? "a statement failed with SQLState %s; the server's log has its message, which may hold values of rows"
            .formatted(state)
        : String.valueOf(failure.getMessage());
  }
}
