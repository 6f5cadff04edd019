package io.outboxinbox.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.e2e.rig.AgentConfig;
import io.outboxinbox.e2e.rig.AgentProcess;
import io.outboxinbox.e2e.rig.LedgerRun;
import io.outboxinbox.e2e.rig.Load;
import io.outboxinbox.e2e.rig.Report;
import io.outboxinbox.e2e.rig.Setting;
import io.outboxinbox.e2e.rig.SourceDatabase;
import io.outboxinbox.e2e.rig.Stage;
import io.outboxinbox.e2e.rig.Stopwatch;
import io.outboxinbox.e2e.rig.Transaction;
import io.outboxinbox.e2e.rig.Verdict;
import io.outboxinbox.testkit.FreePorts;
import io.outboxinbox.testkit.KafkaBroker;
import io.outboxinbox.testkit.PostgresServer;
import io.outboxinbox.testkit.PostgresVersion;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** The broker is away for long, or well and unwilling. */
@EnabledIfSystemProperty(named = "e2e.long", matches = "true")
class BrokerFaultTest {
  private static final Duration LIMIT = Duration.ofSeconds(90);
  private static final int ATOMIC_EVENTS = 10_000;
  private static final int EVENTS_PER_SECOND = 300;
  private static final String POSITIONS = "outbox-agent-positions";
  private static final String PRINCIPAL = "User:agent";

  private final long seed = Setting.seed();
  private final int awaySeconds = Setting.of("broker.awaySeconds", 15);
  private final Report report = new Report("Broker, seed " + seed);

  /** An hour away, scaled; the log waits in PostgreSQL and drains when the broker is back. */
  @Test
  void waitsForABrokerThatIsAwayForLong() throws Exception {
    try (Stage stage = Stage.start()) {
      SourceDatabase database = SourceDatabase.create(stage.postgres());
      AgentConfig config = AgentConfig.of(database, stage.kafka().bootstrapServers(), Stage.TOPIC);
      try (LedgerRun run = LedgerRun.start(stage, database, seed);
          AgentProcess agent = AgentProcess.of("broker-away", config)) {
        agent.startAndLead(LIMIT);
        try (Load load = run.load(EVENTS_PER_SECOND)) {
          publishOne(run);
          stage.kafka().kill();
          TimeUnit.SECONDS.sleep(awaySeconds);
          report.line(
              "broker away for %d s: agent is %s, %d KiB of log retained",
              awaySeconds, agent.status().state(), database.retainedBytes() / 1024);
          assertThat(agent.isAlive()).isTrue();
          stage.kafka().startAgain();
          Stopwatch back = Stopwatch.start();
          publishOne(run);
          report.line("backlog drained %s after it was back", Report.seconds(back.elapsed()));
          load.stop();
        }
        audit(run, agent);
      }
    }
  }

  /** The agent's rights, as docs/INSTALL.md lists them, are taken away and given back. */
  @Test
  void waitsForRightsThatWereTakenAway() throws Exception {
    int port = FreePorts.pick();
    try (Stage stage =
        Stage.start(PostgresServer.Options.of(PostgresVersion.V17), withRights(port))) {
      SourceDatabase database = SourceDatabase.create(stage.postgres());
      AgentConfig config =
          AgentConfig.of(database, "127.0.0.1:" + port, Stage.TOPIC)
              .publish(
                  "properties",
                  "{security.protocol: SASL_PLAINTEXT, sasl.mechanism: PLAIN, sasl.jaas.config:"
                      + " 'org.apache.kafka.common.security.plain.PlainLoginModule required"
                      + " username=\"agent\" password=\"agent-secret\";'}");
      try (Admin admin = stage.kafka().admin();
          LedgerRun run = LedgerRun.start(stage, database, seed);
          AgentProcess agent = AgentProcess.of("broker-rights", config)) {
        admin.createAcls(rights()).all().get();
        agent.startAndLead(LIMIT);
        try (Load load = run.load(EVENTS_PER_SECOND)) {
          publishOne(run);
          refused(admin, write(ResourceType.TOPIC, Stage.TOPIC), run, agent);
          refused(admin, write(ResourceType.TOPIC, POSITIONS), run, agent);
          load.stop();
        }
        assertThat(
                agent.command("reconcile", "--pipeline", AgentConfig.PIPELINE, "--yes", "--wait"))
            .contains("done");
        audit(run, agent);
      }
    }
  }

  private void refused(Admin admin, AclBinding right, LedgerRun run, AgentProcess agent)
      throws Exception {
    admin.deleteAcls(List.of(right.toFilter())).all().get();
    agent.awaitStatus(status -> !status.is("LEADING"), LIMIT);
    report.line(
        "without WRITE on %s: %s: %s",
        right.pattern().name(), agent.status().state(), agent.status().reason());
    admin.createAcls(List.of(right)).all().get();
    Stopwatch back = Stopwatch.start();
    publishOne(run);
    report.line("publishes again %s after it was given back", Report.seconds(back.elapsed()));
  }

  private static KafkaBroker.Options withRights(int port) {
    return KafkaBroker.Options.defaults()
        .withSecondListener(new KafkaBroker.Listener(port, port, "SASL_PLAINTEXT"))
        .withSetting(
            "authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer")
        // The test's own clients, the controller and the broker itself.
        .withSetting("super.users", "User:ANONYMOUS")
        .withSetting("sasl.enabled.mechanisms", "PLAIN")
        .withSetting(
            "listener.name.second.plain.sasl.jaas.config",
            "org.apache.kafka.common.security.plain.PlainLoginModule required"
                + " user_agent=\"agent-secret\";");
  }

  private static List<AclBinding> rights() {
    List<AclBinding> rights = new ArrayList<>();
    for (AclOperation operation : List.of(AclOperation.WRITE, AclOperation.DESCRIBE)) {
      rights.add(
          right(
              new ResourcePattern(
                  ResourceType.TRANSACTIONAL_ID, "outbox-agent/", PatternType.PREFIXED),
              operation));
    }
    for (AclOperation operation :
        List.of(AclOperation.WRITE, AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS)) {
      rights.add(right(literal(ResourceType.TOPIC, Stage.TOPIC), operation));
      rights.add(right(literal(ResourceType.TOPIC, POSITIONS), operation));
    }
    rights.add(right(literal(ResourceType.TOPIC, Stage.TOPIC), AclOperation.READ));
    rights.add(right(literal(ResourceType.TOPIC, POSITIONS), AclOperation.CREATE));
    rights.add(right(literal(ResourceType.TOPIC, POSITIONS), AclOperation.READ));
    return rights;
  }

  private static AclBinding write(ResourceType type, String name) {
    return right(literal(type, name), AclOperation.WRITE);
  }

  private static ResourcePattern literal(ResourceType type, String name) {
    return new ResourcePattern(type, name, PatternType.LITERAL);
  }

  private static AclBinding right(ResourcePattern resource, AclOperation operation) {
    return new AclBinding(
        resource, new AccessControlEntry(PRINCIPAL, "*", operation, AclPermissionType.ALLOW));
  }

  private static void publishOne(LedgerRun run) {
    Transaction marker = run.writeMarker();
    run.reader().await(marker.entries().get(0).id(), LIMIT);
  }

  private void audit(LedgerRun run, AgentProcess agent) {
    Verdict verdict = run.finish(agent, ATOMIC_EVENTS);
    report.verdict(verdict).print();
    assertThat(verdict.isClean()).as(report.toString()).isTrue();
  }
}
