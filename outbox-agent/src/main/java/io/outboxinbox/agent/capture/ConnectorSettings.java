package io.outboxinbox.agent.capture;

import java.util.HashMap;
import java.util.Map;
import java.util.regex.Pattern;

/** Debezium's settings, each with the reason why it must be so. */
final class ConnectorSettings {
  /** Prefix of our logical messages; Debezium drops those of others. */
  static final String PULSE_PREFIX = "outbox-agent";

  /**
   * The reader's queue waits this long for a fuller batch and the log reader sleeps as long when
   * idle, so it is the floor of latency; below 2 ms idle processor time rises and latency no longer
   * falls.
   */
  private static final int POLL_INTERVAL_MILLIS = 2;

  /** Keeps the log being read while a batch is published. */
  private static final int QUEUE_BATCHES = 4;

  private ConnectorSettings() {}

  static Map<String, String> of(SourceConfiguration source, int batchRows) {
    Map<String, String> settings = new HashMap<>();
    settings.put("connector.class", "io.debezium.connector.postgresql.PostgresConnector");
    settings.put("name", source.slot());
    // Names JMX beans, so it must differ between pipelines of one process; never part of a topic.
    settings.put("topic.prefix", source.slot());
    settings.put("plugin.name", "pgoutput");
    connection(settings, source);
    settings.put("slot.name", source.slot());
    settings.put("publication.name", source.publication());
    settings.put(
        "table.include.list",
        Pattern.quote(source.schema()) + "\\." + Pattern.quote(source.table()));
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
    settings.put("message.prefix.include.list", PULSE_PREFIX);
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
    // Debezium reads no other form of bytea, and databases and roles may have it as their default.
    settings.put("driver.options", "-c bytea_output=hex");
    settings.put("driver.logServerErrorDetail", "false");
    settings.put("driver.connectTimeout", SourceConnections.CONNECT_TIMEOUT_SECONDS);
  }
}
