package io.outboxinbox.inbox;

import java.sql.SQLException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Says what is wrong with events or with their table. */
final class OutboxFaults {
  private static final String FILE = "schema/postgresql/01_outbox.sql";

  private OutboxFaults() {}

  /**
   * Throws in words of ours where a person has to do something; returns where the database's own
   * are best.
   */
  static void explain(SQLException failure, List<OutboxMessage> messages) {
    InboxException explained = explanation(failure, messages);
    if (explained != null) {
      // The server's details quote the row, and with it the payload. Only its first line goes on.
      SQLException cause =
          new SQLException(firstLine(failure), failure.getSQLState(), failure.getErrorCode());
      cause.setStackTrace(failure.getStackTrace());
      explained.initCause(cause);
      throw explained;
    }
  }

  private static @Nullable InboxException explanation(
      SQLException failure, List<OutboxMessage> messages) {
    String state = failure.getSQLState() == null ? "" : failure.getSQLState();
    return switch (state) {
      // Undefined table, column, function, schema.
      case "42P01", "42703", "42883", "3F000" ->
          new InboxException.Misconfigured(
              "the outbox's table is missing or old: " + firstLine(failure),
              "run " + FILE + " in this database, or name its schema with Outbox.inSchema");
      case "42501" ->
          new InboxException.Misconfigured(
              "the outbox may not be written: " + firstLine(failure),
              "GRANT outbox_writer to this user");
      case "25006" ->
          new InboxException.Misused(
              "the transaction is read-only: " + firstLine(failure),
              "connect to the primary and begin a transaction that may write");
      // A rule of the table, and a value that is no JSON.
      case "23514", "22P02", "22P05" ->
          new InboxException.BadMessage(
              which(messages) + " cannot be published: " + firstLine(failure),
              "roll back and mend the event; " + FILE + " has the rules");
      default -> null;
    };
  }

  private static String which(List<OutboxMessage> messages) {
    String first = "event " + messages.get(0);
    return messages.size() == 1
        ? first
        : "one of " + messages.size() + " events, the first of which is " + first + ",";
  }

  private static String firstLine(SQLException failure) {
    return String.valueOf(failure.getMessage()).lines().findFirst().orElse("");
  }
}
