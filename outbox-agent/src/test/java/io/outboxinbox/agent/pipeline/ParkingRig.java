package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.StreamSupport;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;

/** Events told apart by their type, and what became of them. */
public final class ParkingRig implements AutoCloseable {
  private final PipelineRig rig;
  private final Connection writer;

  public ParkingRig(PipelineRig rig) throws SQLException {
    this.rig = rig;
    this.writer = rig.database.connect();
  }

  /** Inserts an event in a transaction of its own. */
  public void insert(String type, String key, String topic, String headers) throws SQLException {
    insert(type, key, topic, headers, "{}");
  }

  /** Inserts an event with a payload of so many bytes. */
  public void insertLarge(String type, String key, String topic, int bytes) throws SQLException {
    insert(type, key, topic, "{}", "\"" + "x".repeat(bytes - 2) + "\"");
  }

  private void insert(String type, String key, String topic, String headers, String payload)
      throws SQLException {
    String sql =
        "INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type, topic, headers, payload)"
            + " VALUES ('order', ?, ?, ?, ?::jsonb, ?::json)";
    try (PreparedStatement statement = writer.prepareStatement(sql)) {
      statement.setString(1, key);
      statement.setString(2, type);
      statement.setString(3, topic);
      statement.setString(4, headers);
      statement.setString(5, payload);
      statement.executeUpdate();
    }
  }

  /** One column of the parked rows, in order of parking. */
  public List<String> rows(String column, String condition) throws SQLException {
    String order = column.startsWith("count") ? "" : " ORDER BY ordinal";
    return list("SELECT " + column + " FROM outbox_parked WHERE " + condition + order);
  }

  /** The only value of a query. */
  public String query(String sql) throws SQLException {
    return list(sql).get(0);
  }

  /** The only column of a query. */
  public List<String> list(String sql) throws SQLException {
    List<String> values = new ArrayList<>();
    try (Statement statement = writer.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      while (rows.next()) {
        values.add(rows.getString(1));
      }
    }
    return values;
  }

  public void awaitWaiting(int count) {
    await()
        .atMost(Duration.ofSeconds(60))
        .untilAsserted(() -> assertThat(rows("event_type", "state = 'waiting'")).hasSize(count));
  }

  /** Leaves an event as one that was written down before a position that never became durable. */
  public void copyAsWaiting(long ordinal, long as) throws SQLException {
    rig.execute(
        """
        INSERT INTO outbox_parked (source, ordinal, key, reason, is_behind, epoch, xid, lsn, committed_at)
        SELECT source, %d, key, reason, is_behind, epoch, xid, lsn, committed_at
        FROM outbox_parked WHERE ordinal = %d
        """
            .formatted(as, ordinal));
  }

  /** Waits for exactly these types in the usual topic. */
  public void awaitPublished(String... types) {
    await()
        .atMost(Duration.ofSeconds(60))
        .untilAsserted(() -> assertThat(publishedIn(rig.topic)).containsExactlyInAnyOrder(types));
  }

  public void awaitPublishedAtLeast(String... types) {
    await()
        .atMost(Duration.ofSeconds(60))
        .untilAsserted(() -> assertThat(publishedIn(rig.topic)).contains(types));
  }

  public List<String> publishedIn(String topic) {
    return rig.consume(topic).stream().map(r -> PipelineRig.header(r, "ce_type")).toList();
  }

  /** Types under one key, in the order consumers see. */
  public List<String> publishedOf(String key) {
    return rig.consume().stream()
        .filter(record -> record.key().equals(key))
        .map(record -> PipelineRig.header(record, "ce_type"))
        .toList();
  }

  /** Numbers under one key, in the order consumers see. */
  public List<String> sequencesOf(String key) {
    return rig.consume().stream()
        .filter(record -> record.key().equals(key))
        .map(record -> Long.valueOf(PipelineRig.header(record, "ce_sequence")))
        .map(String::valueOf)
        .toList();
  }

  public List<Long> sequences() {
    return rig.consume().stream()
        .map(record -> Long.valueOf(PipelineRig.header(record, "ce_sequence")))
        .sorted(Comparator.naturalOrder())
        .toList();
  }

  @Override
  public void close() throws SQLException {
    writer.close();
  }

  /** Every value of a header in the usual topic. */
  public List<String> headers(String name) {
    return rig.consume().stream()
        .map(ConsumerRecord::headers)
        .flatMap(headers -> StreamSupport.stream(headers.headers(name).spliterator(), false))
        .map(Header::value)
        .map(value -> new String(value, StandardCharsets.UTF_8))
        .toList();
  }
}
