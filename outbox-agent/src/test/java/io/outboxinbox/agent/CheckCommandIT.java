package io.outboxinbox.agent;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** The command as an operator types it, on real servers. */
class CheckCommandIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  @TempDir private Path folder;
  private PostgresDatabase database;

  @BeforeEach
  void prepare() throws Exception {
    database = PipelineRig.newDatabase(postgres);
  }

  private CommandRun check(String route, String publish) throws Exception {
    Path config =
        Files.writeString(
            folder.resolve("agent.yml"),
            """
            pipelines:
              - name: orders
                source: {host: "%s", port: %d, database: %s, username: outbox_agent, password: agent, sslMode: disable}
                route: {%s}
                publish: {type: kafka, bootstrapServers: "%s", %s}
            """
                .formatted(
                    database.host(),
                    database.port(),
                    database.name(),
                    route,
                    kafka.bootstrapServers(),
                    publish));
    return CommandRun.of((out, err) -> OutboxAgent.check(out), List.of("check", config.toString()));
  }

  @Test
  void looksAtAFixedTopicThatOnlyAPatternAllows() throws Exception {
    CommandRun ended =
        check(
            "topic: orders.nowhere, allowedTopics: [\"orders.*\"]", "positionReplicationFactor: 1");
    assertThat(ended.out()).contains("FAIL kafka topic orders.nowhere does not exist");
    assertThat(ended.exitCode()).isEqualTo(1);
  }
}
