package io.outboxinbox.agent.source.log;

import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.WakefulSocketFactory;
import io.outboxinbox.agent.source.table.SourceRegistry;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** Debezium's settings, each with the reason why it must be so. */
final class ConnectorSettings {
  /** Depends on the server's version, so whoever starts a connector adds it. */
  static final String OPTIONS = "driver.options";

  /** Whose sockets they are; whoever starts a connector adds its group. */
  static final String SOCKETS = "driver.socketFactoryArg";

  /**
   * The reader's queue waits this long for a fuller batch and the log reader sleeps as long when
   * idle, so it is the floor of latency; below 2 ms idle processor time rises and latency no longer
   * falls.
   */
  private static final int POLL_INTERVAL_MILLIS = 2;

  /** Keeps the log being read while a batch is published. */
  private static final int QUEUE_BATCHES = 4;

  /** Which tables are read: {@link #pattern}. */
  static final String TABLES = "table.include.list";

  private ConnectorSettings() {}

  static Map<String, String> of(SourceConfiguration source, int batchRows) {
    Map<String, String> settings = new HashMap<>();
    settings.put("connector.class", "io.debezium.connector.postgresql.PostgresConnector");
    settings.put("name", prefix(source));
    settings.put("topic.prefix", prefix(source));
    settings.put("plugin.name", "pgoutput");
    connection(settings, source);
    settings.put("slot.name", source.slot());
    settings.put("publication.name", source.publication());
    settings.put(TABLES, pattern(source.outboxes()));
    // Slot, publication and snapshot are ours to create or refuse; Debezium must never heal
    // silently what is a gap.
    settings.put("snapshot.mode", "no_data");
    settings.put("publication.autocreate.mode", "disabled");
    settings.put("slot.drop.on.stop", "false");
    settings.put("lsn.flush.mode", "connector");
    // One recovery path: any failure reaches our thread at once (docs/decisions/0002).
    settings.put("errors.max.retries", "0");
    settings.put("slot.max.retries", "0");
    // The end of a transaction is what makes it visible as a whole (docs/decisions/0003).
    settings.put("provide.transaction.metadata", "true");
    settings.put("skipped.operations", "u,d,t");
    settings.put("tombstones.on.delete", "false");
    settings.put("message.prefix.include.list", SourceRegistry.PULSE_PREFIX);
    settings.put("binary.handling.mode", "bytes");
    settings.put("converters", "values");
    settings.put("values.type", LogValues.class.getName());
    settings.put("poll.interval.ms", String.valueOf(POLL_INTERVAL_MILLIS));
    settings.put("max.batch.size", String.valueOf(batchRows));
    settings.put("max.queue.size", String.valueOf(QUEUE_BATCHES * batchRows));
    settings.put("max.queue.size.in.bytes", String.valueOf(source.maxQueueBytes()));
    settings.put("executor.shutdown.timeout.ms", "1000");
    return settings;
  }

  static String pattern(List<OutboxTable> tables) {
    return tables.stream()
        .map(table -> pattern(table.schema(), table.name()))
        .collect(Collectors.joining(","));
  }

  /**
   * Matches one table and no other. Debezium compares without regard to case, splits at commas and
   * trims; hence the flag that ends the first, and every other character by its number.
   */
  static String pattern(String schema, String table) {
    return "(?-i)" + literally(schema) + "\\." + literally(table);
  }

  private static String literally(String name) {
    StringBuilder pattern = new StringBuilder();
    name.codePoints()
        .forEach(
            c ->
                pattern.append(
                    c == '_' || (c < 128 && Character.isLetterOrDigit(c))
                        ? Character.toString(c)
                        : "\\x{%x}".formatted(c)));
    return pattern.toString();
  }

  /**
   * Names JMX beans, so it differs between pipelines of one process, also where two servers have a
   * slot of the same name; never part of a topic.
   */
  static String prefix(SourceConfiguration source) {
    return "%s_%08x"
        .formatted(
            source.slot(), (source.host() + ":" + source.port() + source.database()).hashCode());
  }

  private static void connection(Map<String, String> settings, SourceConfiguration source) {
    settings.put("database.hostname", source.host());
    settings.put("database.port", String.valueOf(source.port()));
    settings.put("database.dbname", source.database());
    settings.put("database.user", source.username());
    settings.put("database.password", source.resolvePassword());
    settings.put("database.sslmode", SourceConnections.sslMode(source.sslMode()));
    if (source.sslRootCert() != null) {
      settings.put("database.sslrootcert", source.sslRootCert().toString());
    }
    settings.put("database.tcpKeepAlive", "true");
    settings.put("driver.socketFactory", WakefulSocketFactory.class.getName());
    settings.put("driver.logServerErrorDetail", "false");
    settings.put("driver.connectTimeout", SourceConnections.CONNECT_TIMEOUT_SECONDS);
    settings.put("driver.loginTimeout", SourceConnections.CONNECT_TIMEOUT_SECONDS);
  }
}
