package io.outboxinbox.agent.source.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.configure.ConfigurationReader;
import io.outboxinbox.agent.source.SourceConfiguration;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ConnectorSettingsTest {

  private static SourceConfiguration source(String host) throws Exception {
    return new ConfigurationReader(Map.of())
        .read(
            """
            pipelines:
              - name: orders
                source: {database: shop, host: %s, slot: s, username: outbox_agent, password: pw}
                route: {allowedTopics: [order]}
                publish: {type: kafka, bootstrapServers: "localhost:9092"}
            """
                .formatted(host))
        .pipelines()
        .get(0)
        .source();
  }

  /** Debezium registers them once in a process, and waits a minute for a name that is taken. */
  @Test
  void namesOfMeasurementsDifferWhereTwoServersHaveASlotOfTheSameName() throws Exception {
    assertThat(ConnectorSettings.prefix(source("one")))
        .isNotEqualTo(ConnectorSettings.prefix(source("two")));
  }
}
