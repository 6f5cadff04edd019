package io.outboxinbox.agent.publish.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Finding.Severity;
import io.outboxinbox.testkit.KafkaBroker;
import io.outboxinbox.testkit.KafkaExtension;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import kafka.admin.ConfigCommand;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.utils.Exit;
import org.apache.kafka.tools.TopicCommand;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class KafkaPreflightIT {
  private static final Duration WITHIN = Duration.ofSeconds(90);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private static KafkaConfiguration configuration(
      String servers, String positionTopic, int replicas) {
    return new KafkaConfiguration(
        servers, positionTopic, (short) replicas, Duration.ofSeconds(15), Map.of());
  }

  private static KafkaConfiguration configuration(String positionTopic, int replicas) {
    return configuration(kafka.bootstrapServers(), positionTopic, replicas);
  }

  private static Finding find(List<Finding> findings, String what) {
    return findings.stream()
        .filter(finding -> finding.what().contains(what))
        .findFirst()
        .orElseThrow(() -> new AssertionError(what + " in " + findings));
  }

  private static String newName() {
    return "t-" + UUID.randomUUID();
  }

  private interface Tool {
    void run(String[] arguments) throws Exception;
  }

  /** As a shell would, but for the end of the process. */
  private static void run(Tool tool, String command, String name) throws Exception {
    assertThat(command).startsWith(name + " ");
    AtomicInteger exitCode = new AtomicInteger();
    Exit.setExitProcedure((code, message) -> exitCode.set(code));
    try {
      tool.run(command.substring(name.length() + 1).split(" "));
    } finally {
      Exit.resetExitProcedure();
    }
    assertThat(exitCode).as(command).hasValue(0);
  }

  @Test
  void printsACommandThatMakesTheMissingTopic() throws Exception {
    String topic = newName();
    KafkaConfiguration configuration = configuration(newName(), 1);
    Finding missing = find(KafkaPreflight.check(configuration, List.of(topic)), "topic " + topic);
    assertThat(missing.severity()).isEqualTo(Severity.MISCONFIGURED);
    run(TopicCommand::main, missing.fix(), "kafka-topics.sh");
    // What the controller has done, the broker tells a moment later.
    await()
        .atMost(WITHIN)
        .untilAsserted(
            () ->
                assertThat(
                        find(KafkaPreflight.check(configuration, List.of(topic)), "topic " + topic))
                    .isEqualTo(Finding.ok("kafka topic " + topic + " exists")));
  }

  @Test
  void printsACommandThatCompactsThePositionTopic() throws Exception {
    String topic = kafka.newTopic("positions", 1);
    KafkaConfiguration configuration = configuration(topic, 1);
    Finding wrong = find(KafkaPreflight.check(configuration, List.of()), "cleanup.policy");
    assertThat(wrong.severity()).isEqualTo(Severity.MISCONFIGURED);
    run(ConfigCommand::main, wrong.fix(), "kafka-configs.sh");
    await()
        .atMost(WITHIN)
        .untilAsserted(
            () ->
                assertThat(find(KafkaPreflight.check(configuration, List.of()), topic).severity())
                    .isEqualTo(Severity.OK));
  }

  @Test
  void refusesMoreReplicasThanThereAreBrokersBeforeAnythingStarts() throws Exception {
    String topic = newName();
    Finding finding = find(KafkaPreflight.check(configuration(topic, 3), List.of()), topic);
    assertThat(finding.severity()).isEqualTo(Severity.MISCONFIGURED);
    assertThat(finding.what()).contains("positionReplicationFactor is 3", "has 1 broker");
    assertThat(finding.fix()).contains("set publish.positionReplicationFactor: 1");
    String made = kafka.newTopic("positions", 1, Map.of("cleanup.policy", "compact"));
    assertThat(find(KafkaPreflight.check(configuration(made, 3), List.of()), made).severity())
        .as("one that is there stays as it is")
        .isEqualTo(Severity.OK);
  }

  @Test
  void warnsOfABrokerThatMakesTopicsByItself() throws Exception {
    try (KafkaBroker broker =
        KafkaBroker.start(
            KafkaBroker.Options.defaults().withSetting("auto.create.topics.enable", "true"))) {
      KafkaConfiguration configuration = configuration(broker.bootstrapServers(), "positions", 1);
      String missing = newName();
      List<Finding> findings = KafkaPreflight.check(configuration, List.of(missing));
      assertThat(find(findings, "auto.create.topics.enable=true").severity())
          .isEqualTo(Severity.WARNING);
      try (Admin admin = Admin.create(configuration.adminProperties())) {
        assertThat(admin.listTopics().names().get())
            .as("looking makes nothing")
            .doesNotContain(missing, "positions");
      }
    }
    assertThat(KafkaPreflight.check(configuration(newName(), 1), List.of()))
        .noneMatch(finding -> finding.what().contains("auto.create"));
  }

  @Test
  void commandsOfAClusterThatAsksForALoginNameAFileForIt() {
    KafkaConfiguration secured =
        new KafkaConfiguration(
            "a:1, b:2", "p", (short) 1, Duration.ofSeconds(15), Map.of("sasl.jaas.config", "pw"));
    assertThat(new KafkaTools(secured).upgrade("transaction.version", 2))
        .isEqualTo(
            "kafka-features.sh --bootstrap-server a:1,b:2 --command-config client.properties"
                + " upgrade --feature transaction.version=2");
  }
}
