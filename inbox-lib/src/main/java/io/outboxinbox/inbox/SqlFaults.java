package io.outboxinbox.inbox;

import java.sql.Connection;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/** Tells what a person has done wrong from what a database does now and then. */
final class SqlFaults {
  private SqlFaults() {}

  /** Refuses a connection on which id and effects would not be one transaction. */
  static void requireTransaction(Connection connection) throws SQLException {
    if (connection.isClosed()) {
      throw new InboxException.Misused(
          "the connection is closed", "pass the open connection on which the effects are written");
    }
    if (connection.getAutoCommit()) {
      throw new InboxException.Misused(
          "the connection is in auto-commit mode, so each statement would commit by itself",
          "call setAutoCommit(false) first, or pass the connection of the running transaction");
    }
    if (connection.isReadOnly()) {
      throw new InboxException.Misused(
          "the connection is read-only", "pass the connection on which the effects are written");
    }
  }

  /**
   * Throws in words of ours where a person has to do something; returns where the database's own
   * are best.
   */
  static void explain(SQLException failure, String schemaFile) {
    InboxException explained = explanation(failure, schemaFile);
    if (explained != null) {
      explained.initCause(failure);
      throw explained;
    }
  }

  private static @Nullable InboxException explanation(SQLException failure, String schemaFile) {
    String state = failure.getSQLState() == null ? "" : failure.getSQLState();
    return switch (state) {
      // PostgreSQL: undefined table, column, schema. MySQL: table, column.
      case "42P01", "42703", "3F000", "42S02", "42S22" ->
          new InboxException.Misconfigured(
              "the inbox's tables are missing or old: " + failure.getMessage(),
              "run "
                  + schemaFile
                  + " in this database, or tell the inbox their schema with Inbox.Builder.schema");
      case "42501" ->
          new InboxException.Misconfigured(
              "the inbox's tables may not be used: " + failure.getMessage(),
              "GRANT SELECT, INSERT, UPDATE, DELETE on the inbox tables to this user");
      case "25006" ->
          new InboxException.Misused(
              "the transaction is read-only: " + failure.getMessage(),
              "connect to the primary and begin a transaction that may write");
      default -> null;
    };
  }
}
