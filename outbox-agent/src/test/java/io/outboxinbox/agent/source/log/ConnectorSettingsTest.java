package io.outboxinbox.agent.source.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.configure.ConfigurationReader;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.Sources;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
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

  /** Debezium splits the list at commas, and compares without regard to case. */
  @Test
  void readsTheNamedTablesAndNoOther() throws Exception {
    List<OutboxTable> tables =
        Sources.withTables(source("one"), Sources.table("Outbox, a"), Sources.table("b.*"))
            .outboxes();
    List<Pattern> patterns =
        Arrays.stream(ConnectorSettings.pattern(tables).split(","))
            .map(pattern -> Pattern.compile(pattern.trim(), Pattern.CASE_INSENSITIVE))
            .toList();
    assertThat(patterns).hasSize(2);
    for (String name : List.of("public.Outbox, a", "public.b.*")) {
      assertThat(patterns).anyMatch(pattern -> pattern.matcher(name).matches());
    }
    for (String name : List.of("public.outbox, a", "public.Outbox", "public.bc", "a", "public.a")) {
      assertThat(patterns).noneMatch(pattern -> pattern.matcher(name).matches());
    }
  }
}
