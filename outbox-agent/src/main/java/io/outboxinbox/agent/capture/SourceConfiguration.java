package io.outboxinbox.agent.capture;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Block {@code source}: the database and the outbox table in it.
 *
 * @param password exactly one of this and {@code passwordFile}
 * @param sslMode libpq's word; only verify-full proves whom we talk to
 * @param extraColumns further columns to read, for topic templates
 * @param existingRows what happens at the very first start to rows older than the slot
 * @param maxQueueBytes bound on rows decoded but not yet published
 */
public record SourceConfiguration(
    String host,
    int port,
    String database,
    String username,
    @Nullable String password,
    @Nullable Path passwordFile,
    SslMode sslMode,
    @Nullable Path sslRootCert,
    String schema,
    String table,
    String publication,
    String slot,
    Layout layout,
    Map<Column, String> columns,
    List<String> extraColumns,
    ExistingRows existingRows,
    long maxQueueBytes) {

  /** The password, from the configuration or its file. */
  public String resolvePassword() {
    return java.util.Objects.requireNonNull(password);
  }

  /** Every column we read, by meaning: the layout's, changed by {@code columns}. */
  public Map<Column, String> mappedColumns() {
    Map<Column, String> mapped = new java.util.EnumMap<>(layout.columns());
    mapped.putAll(columns);
    return mapped;
  }

  /** Which columns a table has when {@code columns} does not say otherwise. */
  public enum Layout {
    /** The table of schema/postgresql/01_outbox.sql. */
    STANDARD,
    /**
     * The table Debezium's outbox EventRouter reads: id, aggregatetype, aggregateid, type, payload.
     */
    DEBEZIUM;

    private Map<Column, String> columns() {
      return switch (this) {
        case STANDARD ->
            Map.of(
                Column.ID, "id",
                Column.AGGREGATE_TYPE, "aggregate_type",
                Column.AGGREGATE_ID, "aggregate_id",
                Column.EVENT_TYPE, "event_type",
                Column.PAYLOAD, "payload",
                Column.CONTENT_TYPE, "content_type",
                Column.HEADERS, "headers",
                Column.TOPIC, "topic",
                Column.OCCURRED_AT, "occurred_at");
        case DEBEZIUM ->
            Map.of(
                Column.ID, "id",
                Column.AGGREGATE_TYPE, "aggregatetype",
                Column.AGGREGATE_ID, "aggregateid",
                Column.EVENT_TYPE, "type",
                Column.PAYLOAD, "payload");
      };
    }
  }

  /** What a column means to us. */
  public enum Column {
    ID,
    AGGREGATE_TYPE,
    AGGREGATE_ID,
    EVENT_TYPE,
    PAYLOAD,
    CONTENT_TYPE,
    HEADERS,
    TOPIC,
    OCCURRED_AT
  }

  /** Rows written before the slot existed. */
  public enum ExistingRows {
    PUBLISH,
    SKIP
  }

  /** libpq's sslmode values that make sense for a service. */
  public enum SslMode {
    DISABLE,
    REQUIRE,
    VERIFY_CA,
    VERIFY_FULL
  }
}
