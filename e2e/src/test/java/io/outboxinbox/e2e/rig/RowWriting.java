package io.outboxinbox.e2e.rig;

import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyIn;

/** The ways applications put rows into the outbox. */
final class RowWriting {
  private static final String AGGREGATE_TYPE = "account";
  private static final String EVENT_TYPE = "Moved";
  private static final int COPY_CHUNK_BYTES = 64 * 1024;

  private RowWriting() {}

  /** One row through outbox_publish; returns the id it made. */
  static UUID publish(Connection connection, String key, String payload) throws SQLException {
    String sql = "SELECT outbox_publish(?, ?, ?, ?::json)";
    try (PreparedStatement call = connection.prepareStatement(sql)) {
      call.setString(1, AGGREGATE_TYPE);
      call.setString(2, key);
      call.setString(3, EVENT_TYPE);
      call.setString(4, payload);
      try (ResultSet rows = call.executeQuery()) {
        rows.next();
        return rows.getObject(1, UUID.class);
      }
    }
  }

  /** One INSERT with a row for each entry. */
  static void insert(Connection connection, Transaction transaction, List<Entry> entries)
      throws SQLException {
    String values = ", (?, ?, ?, ?, ?::json)".repeat(entries.size()).substring(2);
    String sql =
        "INSERT INTO outbox_event (id, aggregate_type, aggregate_id, event_type, payload) VALUES "
            + values;
    try (PreparedStatement insert = connection.prepareStatement(sql)) {
      int parameter = 1;
      for (Entry entry : entries) {
        insert.setObject(parameter++, entry.id());
        insert.setString(parameter++, AGGREGATE_TYPE);
        insert.setString(parameter++, entry.key());
        insert.setString(parameter++, EVENT_TYPE);
        insert.setString(parameter++, Payload.of(transaction, entry));
      }
      insert.executeUpdate();
    }
  }

  /**
   * One COPY with a line for each entry. It names every column whose default is volatile: only then
   * does PostgreSQL put many rows into one log record, and they share its LSN.
   */
  static void copy(Connection connection, Transaction transaction, List<Entry> entries)
      throws SQLException {
    CopyIn copy =
        connection
            .unwrap(PGConnection.class)
            .getCopyAPI()
            .copyIn(
                "COPY outbox_event (id, aggregate_type, aggregate_id, event_type, payload, occurred_at)"
                    + " FROM STDIN");
    try {
      StringBuilder chunk = new StringBuilder();
      for (Entry entry : entries) {
        chunk
            .append(entry.id())
            .append('\t')
            .append(AGGREGATE_TYPE)
            .append('\t')
            .append(entry.key())
            .append('\t')
            .append(EVENT_TYPE)
            .append('\t')
            .append(Payload.of(transaction, entry))
            .append('\t')
            .append(Instant.now())
            .append('\n');
        if (chunk.length() > COPY_CHUNK_BYTES) {
          send(copy, chunk);
        }
      }
      send(copy, chunk);
      copy.endCopy();
    } finally {
      if (copy.isActive()) {
        copy.cancelCopy();
      }
    }
  }

  private static void send(CopyIn copy, StringBuilder chunk) throws SQLException {
    byte[] bytes = chunk.toString().getBytes(StandardCharsets.UTF_8);
    copy.writeToCopy(bytes, 0, bytes.length);
    chunk.setLength(0);
  }
}
