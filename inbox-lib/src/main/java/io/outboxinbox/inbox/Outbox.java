package io.outboxinbox.inbox;

import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.UUID;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Publishes events in the caller's transaction: writes them to table {@code outbox_event}, from
 * where the agent takes them once the transaction has committed. Together with {@link Inbox} a
 * message leads to its events once.
 *
 * <p>PostgreSQL only, as the agent. Never opens, commits or rolls back a transaction. Any number of
 * threads may share an outbox, each with its own connection. Needs nothing but {@code GRANT
 * outbox_writer}.
 */
public final class Outbox {
  private final String insert;
  private volatile boolean isPostgres;

  private Outbox(SchemaName schema) {
    // The ids come back without RETURNING, for which a writer would need the right to read. They
    // are made by the server, since its clock also chooses the days' partitions. The list of events
    // is evaluated once although it is read twice, because it calls a volatile function
    // (PostgreSQL, WITH queries).
    this.insert =
        "WITH event AS MATERIALIZED (SELECT "
            + schema.table("outbox_uuid7")
            + "() AS id, row.* FROM unnest(?, ?, ?, ?, ?, ?, ?) WITH ORDINALITY AS row"
            + " (aggregate_type, aggregate_id, event_type, payload, content_type, headers, topic, n))"
            + ", written AS (INSERT INTO "
            + schema.table("outbox_event")
            + " (id, aggregate_type, aggregate_id, event_type, payload, content_type, headers, topic)"
            + " SELECT id, aggregate_type, aggregate_id, event_type, payload::json, content_type,"
            + " headers::jsonb, topic FROM event ORDER BY n)"
            + " SELECT id FROM event ORDER BY n";
  }

  /** An outbox whose table is on the connection's search path. */
  public static Outbox create() {
    return new Outbox(SchemaName.CURRENT);
  }

  /** An outbox whose table is in this schema. */
  public static Outbox inSchema(String name) {
    return new Outbox(new SchemaName(name));
  }

  /**
   * As {@link #publishAll}, for one event.
   *
   * @return the id under which consumers will know the event
   */
  public UUID publish(Connection connection, OutboxMessage message) throws SQLException {
    return publishAll(connection, List.of(message)).get(0);
  }

  /**
   * Writes events with one statement. They are published in this order once the transaction has
   * committed, and not at all if it rolls back.
   *
   * @param connection in a transaction, the one of the effects
   * @param messages may be empty; all are sent to the database at once, so keep them to some
   *     megabytes
   * @return their ids, UUIDs of version 7, same order
   * @throws InboxException.BadMessage an event breaks a rule of the table, which the message names,
   *     or its payload is not JSON. The transaction can only be rolled back
   * @throws InboxException.Misused the connection cannot hold the promise
   * @throws InboxException.Misconfigured the table is missing, or may not be written
   * @throws SQLException ask {@link RetryAdvice}
   */
  public List<UUID> publishAll(Connection connection, List<OutboxMessage> messages)
      throws SQLException {
    SqlFaults.requireTransaction(connection);
    requirePostgres(connection);
    if (messages.isEmpty()) {
      return List.of();
    }
    List<Array> columns = new ArrayList<>();
    try (PreparedStatement statement = connection.prepareStatement(insert)) {
      columns.add(column(connection, messages, OutboxMessage::aggregateType));
      columns.add(column(connection, messages, OutboxMessage::aggregateId));
      columns.add(column(connection, messages, OutboxMessage::eventType));
      columns.add(column(connection, messages, OutboxMessage::payload));
      columns.add(column(connection, messages, OutboxMessage::contentType));
      columns.add(column(connection, messages, message -> OutboxRules.json(message.headers())));
      columns.add(column(connection, messages, OutboxMessage::topic));
      for (int i = 0; i < columns.size(); i++) {
        statement.setArray(i + 1, columns.get(i));
      }
      return ids(statement);
    } catch (SQLException e) {
      OutboxFaults.explain(e, messages);
      throw e;
    } finally {
      for (Array column : columns) {
        column.free();
      }
    }
  }

  private static List<UUID> ids(PreparedStatement statement) throws SQLException {
    List<UUID> ids = new ArrayList<>();
    try (ResultSet row = statement.executeQuery()) {
      while (row.next()) {
        ids.add(row.getObject(1, UUID.class));
      }
    }
    return ids;
  }

  private static Array column(
      Connection connection,
      List<OutboxMessage> messages,
      Function<OutboxMessage, @Nullable String> value)
      throws SQLException {
    @Nullable String[] values = new String[messages.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = value.apply(messages.get(i));
    }
    return connection.createArrayOf("text", values);
  }

  private void requirePostgres(Connection connection) throws SQLException {
    if (!isPostgres) {
      String product = connection.getMetaData().getDatabaseProductName();
      if (!product.toLowerCase(Locale.ROOT).equals("postgresql")) {
        throw new InboxException.Misconfigured(
            "the outbox cannot be in database '" + product + "'",
            "use PostgreSQL 14 or later, which is what the agent reads");
      }
      isPostgres = true;
    }
  }
}
