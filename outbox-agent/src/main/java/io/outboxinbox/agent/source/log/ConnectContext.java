package io.outboxinbox.agent.source.log;

import java.util.Map;
import org.apache.kafka.common.metrics.PluginMetrics;
import org.apache.kafka.connect.source.SourceTaskContext;
import org.apache.kafka.connect.storage.OffsetStorageReader;

/** What a Connect worker would give the task: nothing but the offset. */
record ConnectContext(OffsetStorageReader offsetStorageReader) implements SourceTaskContext {
  @Override
  public Map<String, String> configs() {
    return Map.of();
  }

  @Override
  public PluginMetrics pluginMetrics() {
    throw new UnsupportedOperationException("Debezium registers no Connect plugin metrics");
  }
}
