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

  /** Which columns a table has when {@code columns} does not say otherwise. */
  public enum Layout {
    /** The table of schema/postgresql/01_outbox.sql. */
    STANDARD,
    /**
     * The table Debezium's outbox EventRouter reads: id, aggregatetype, aggregateid, type, payload.
     */
    DEBEZIUM
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
