package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.configure.ConfigurationReader;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OperatorDecisionTest {

  /** Whoever waits for a decision must not end because a file is being exchanged. */
  @Test
  void doesNotFailWhereNoPasswordCanBeRead(@TempDir Path folder) throws Exception {
    String yaml =
        """
        pipelines:
          - name: orders
            source: {host: localhost, port: 1, database: shop, username: agent, passwordFile: "%s"}
            route: {topic: orders, allowedTopics: [orders]}
            publish: {type: kafka, bootstrapServers: "localhost:1"}
        """
            .formatted(folder.resolve("missing"));
    OperatorDecision decision =
        new OperatorDecision(new ConfigurationReader(Map.of()).read(yaml).pipelines().get(0));
    assertThat(decision.hasCome()).isFalse();
  }
}
