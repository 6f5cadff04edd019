package io.outboxinbox.agent.operate.command;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.dropwizard.core.setup.Bootstrap;
import io.outboxinbox.agent.CommandRun;
import io.outboxinbox.agent.configure.AgentConfiguration;
import io.outboxinbox.agent.configure.ConfigurationReader;
import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Finding;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import net.sourceforge.argparse4j.inf.Namespace;
import org.junit.jupiter.api.Test;

class CheckCommandTest {
  private static final String YAML =
      """
      pipelines:
        - name: orders
          source: {database: shop, username: agent, password: pw}
          route: {allowedTopics: [order]}
          publish:
            type: kafka
            bootstrapServers: localhost:9092
            properties: {security.protocol: SASL_SSL}
      """;

  private final ByteArrayOutputStream printed = new ByteArrayOutputStream();

  private void check(List<Function<PipelineConfiguration, List<Finding>>> looks) throws Exception {
    AgentConfiguration configuration = new ConfigurationReader(Map.of()).read(YAML);
    PrintStream out = new PrintStream(printed, true, StandardCharsets.UTF_8);
    new CheckCommand(out, looks)
        .run(new Bootstrap<>(CommandRun.agent()), new Namespace(Map.of()), configuration);
  }

  private String output() {
    return printed.toString(StandardCharsets.UTF_8);
  }

  @Test
  void passesWhenNothingHasToBeMended() throws Exception {
    check(
        List.of(
            pipeline -> List.of(Finding.ok("slot is there")),
            pipeline -> List.of(Finding.warning("one broker only", "add brokers"))));
    assertThat(output())
        .isEqualToNormalizingNewlines(
            """
            pipeline orders
              OK   slot is there
              WARN one broker only
                   fix: add brokers
            1 ok, 1 to note, 0 to mend
            """);
  }

  @Test
  void failsWithEveryFindingAndItsFix() {
    assertThatThrownBy(
            () ->
                check(
                    List.of(
                        pipeline -> {
                          throw new AgentException.Retryable("database is away", null);
                        },
                        pipeline ->
                            List.of(
                                Finding.misconfigured("no publication", "CREATE PUBLICATION p;"),
                                Finding.fatal("slot is lost", "reset")))))
        .isInstanceOf(ExitCode.FindingsException.class)
        .satisfies(failure -> assertThat(ExitCode.of(failure).number()).isEqualTo(1));
    assertThat(output())
        .contains(
            "FAIL database is away",
            "FAIL no publication",
            "fix: CREATE PUBLICATION p;",
            "FAIL slot is lost",
            "0 ok, 0 to note, 3 to mend");
  }
}
