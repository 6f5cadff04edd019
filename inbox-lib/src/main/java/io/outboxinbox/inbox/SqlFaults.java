package io.outboxinbox.inbox;

import java.sql.Connection;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/** Tells what a person has done wrong from what a database does now and then. */
final class SqlFaults {
  private static final int MYSQL_DATABASE_DENIED = 1044;
  private static final int MYSQL_UNKNOWN_DATABASE = 1049;
  private static final int MYSQL_TABLE_DENIED = 1142;
  private static final int MYSQL_COLUMN_DENIED = 1143;

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
    return switch (state(failure)) {
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
      case "26000", "42P05" ->
          new InboxException.Misconfigured(
              "prepared statements of another session are on this connection: "
                  + failure.getMessage(),
              "behind a pooler in transaction mode, add prepareThreshold=0 to the JDBC URL");
      default -> null;
    };
  }

  /** MySQL says 42000 of many things, and only the number tells them apart. */
  private static String state(SQLException failure) {
    String state = failure.getSQLState() == null ? "" : failure.getSQLState();
    return switch (failure.getErrorCode()) {
      case MYSQL_UNKNOWN_DATABASE -> "3F000";
      case MYSQL_DATABASE_DENIED, MYSQL_TABLE_DENIED, MYSQL_COLUMN_DENIED -> "42501";
      default -> state;
    };
  }
}
