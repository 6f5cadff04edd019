package io.outboxinbox.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.dropwizard.core.cli.Command;
import io.dropwizard.core.setup.Bootstrap;
import io.outboxinbox.agent.configure.AgentConfiguration;
import io.outboxinbox.agent.configure.ConfigurationReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;

class PauseCommandTest {
  @Test
  void bothCommandsAreThere() {
    OutboxAgent agent = new OutboxAgent(Map.<String, String>of()::get);
    Bootstrap<AgentConfiguration> bootstrap = new Bootstrap<>(agent);
    agent.addDefaultCommands(bootstrap);
    assertThat(bootstrap.getCommands().stream().map(Command::getName)).contains("pause", "resume");
  }

  @Test
  void aNameThatDoesNotExistIsToldWithThoseThatDo() throws Exception {
    AgentConfiguration configuration =
        new ConfigurationReader(Map.of("OUTBOX_DB_PASSWORD", "pw"))
            .read(Files.readString(Path.of("../config/agent.example.yml")));
    assertThat(configuration.pipeline("orders").name()).isEqualTo("orders");
    assertThatThrownBy(() -> configuration.pipeline("order"))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("no pipeline order in the configuration; there are [orders]");
  }

  @Test
  void aConfigurationWithOnePipelineNeedsNoName() throws Exception {
    String block =
        """
          - name: %1$s
            source: {database: %1$s, username: a, password: b}
            route: {allowedTopics: [order]}
            publish: {type: kafka, bootstrapServers: "localhost:9092"}
        """;
    ConfigurationReader reader = new ConfigurationReader(Map.of());
    AgentConfiguration one = reader.read("pipelines:\n" + block.formatted("orders"));
    assertThat(one.pipeline(null).name()).isEqualTo("orders");
    AgentConfiguration two =
        reader.read("pipelines:\n" + block.formatted("orders") + block.formatted("bills"));
    assertThatThrownBy(() -> two.pipeline(null))
        .isInstanceOf(IOException.class)
        .hasMessage("the configuration has 2 pipelines; say --pipeline and one of [orders, bills]");
  }
}
