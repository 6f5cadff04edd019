package io.outboxinbox.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.e2e.rig.AgentConfig;
import io.outboxinbox.e2e.rig.AgentProcess;
import io.outboxinbox.e2e.rig.AgentStatus;
import io.outboxinbox.e2e.rig.LedgerRun;
import io.outboxinbox.e2e.rig.Limit;
import io.outboxinbox.e2e.rig.Report;
import io.outboxinbox.e2e.rig.SourceDatabase;
import io.outboxinbox.e2e.rig.Stage;
import io.outboxinbox.e2e.rig.Stopwatch;
import io.outboxinbox.e2e.rig.Transaction;
import io.outboxinbox.testkit.PostgresServer;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/**
 * Whatever would make a gap, or keeps the agent from working, is refused: at once, with cause and
 * way out on the status page and in the log, and nothing written later is published past the gap.
 */
class RefusalFaultTest {
  private static final Duration LEADS_WITHIN = Duration.ofSeconds(90);
  private static final Duration REFUSES_WITHIN = Duration.ofSeconds(60);
  private static final Duration SILENCE = Duration.ofSeconds(2);
  private static final Duration PROMISED = Duration.ofSeconds(5);

  /** Something somebody does to the database. */
  private interface Damage {
    void to(SourceDatabase database) throws SQLException;
  }

  private static final Report REPORT = new Report("Refusals");

  private static Stage stage;

  private SourceDatabase database;
  private String topic;
  private LedgerRun run;
  private AgentConfig config;
  private AgentProcess agent;
  private Stopwatch sinceDamage;
  private Duration serving = Duration.ZERO;

  @BeforeAll
  static void startServers() {
    stage = Stage.start();
  }

  @AfterAll
  static void report() {
    REPORT.print();
    stage.close();
  }

  @BeforeEach
  void prepare(TestInfo test) {
    database = SourceDatabase.create(stage.postgres());
    topic = test.getTestMethod().orElseThrow().getName();
    stage.createTopic(topic);
    run = LedgerRun.start(stage, database, topic, 1);
    config = AgentConfig.of(database, stage.kafka().bootstrapServers(), topic);
    agent = AgentProcess.of("refusal-" + topic, config);
  }

  @AfterEach
  void close() throws SQLException {
    agent.close();
    run.close();
    stage.postgres().dropDatabase(database.name());
  }

  @Test
  void refusesSlotDroppedWhileDown() throws Exception {
    damageWhileDown(RefusalFaultTest::dropSlot);
    refuses("slot outbox_agent does not exist");
  }

  @Test
  void refusesSlotDroppedWhileRunning() throws Exception {
    damageWhileRunning(RefusalFaultTest::dropSlotInUse);
    refuses("slot outbox_agent does not exist");
  }

  @Test
  @EnabledIfSystemProperty(named = "e2e.long", matches = "true")
  void refusesSlotDroppedAndMadeAgainWhileDown() throws Exception {
    damageWhileDown(
        db -> {
          dropSlot(db);
          db.execute("SELECT pg_create_logical_replication_slot('outbox_agent', 'pgoutput')");
        });
    refuses("slot outbox_agent starts at .* after position");
  }

  @Test
  @EnabledIfSystemProperty(named = "e2e.long", matches = "true")
  void refusesSlotAdvancedPastThePositionWhileDown() throws Exception {
    damageWhileDown(
        db ->
            db.execute("SELECT pg_replication_slot_advance('outbox_agent', pg_current_wal_lsn())"));
    refuses("slot outbox_agent starts at .* after position");
  }

  @Test
  @EnabledIfSystemProperty(named = "e2e.long", matches = "true")
  void refusesPublicationDroppedWhileDown() throws Exception {
    damageWhileDown(db -> db.execute("DROP PUBLICATION outbox_publication"));
    refuses("publication outbox_publication does not exist");
  }

  @Test
  void refusesPublicationDroppedWhileRunning() throws Exception {
    damageWhileRunning(db -> db.execute("DROP PUBLICATION outbox_publication"));
    refuses("publication outbox_publication does not exist");
  }

  @Test
  @EnabledIfSystemProperty(named = "e2e.long", matches = "true")
  void refusesTableTakenOutOfThePublicationWhileDown() throws Exception {
    damageWhileDown(RefusalFaultTest::takeTableOut);
    refuses("outbox_event is not in publication outbox_publication");
  }

  @Test
  @EnabledIfSystemProperty(named = "e2e.long", matches = "true")
  void refusesTableTakenOutOfThePublicationWhileRunning() throws Exception {
    damageWhileRunning(RefusalFaultTest::takeTableOut);
    refuses("outbox_event is not in publication outbox_publication");
  }

  @Test
  @EnabledIfSystemProperty(named = "e2e.long", matches = "true")
  void refusesTableTakenOutAndPutBackWhileDown() throws Exception {
    damageWhileDown(this::takeTableOutAndPutItBack);
    refuses("taken out and put back");
  }

  @Test
  void refusesTableTakenOutAndPutBackWhileRunning() throws Exception {
    damageWhileRunning(this::takeTableOutAndPutItBack);
    refuses("taken out and put back");
  }

  @Test
  void refusesLostPositionTopic() throws Exception {
    damageWhileDown(
        db -> {
          try (Admin admin = stage.kafka().admin()) {
            admin.deleteTopics(List.of("outbox-agent-positions")).all().get();
          } catch (InterruptedException | ExecutionException e) {
            throw new IllegalStateException("the position topic cannot be deleted", e);
          }
        });
    refuses("the broker has no checkpoint of it");
  }

  @Test
  void refusesMissingGrant() throws Exception {
    database.execute("REVOKE SELECT ON outbox_event FROM outbox_agent");
    startRefused("may not read|lacks SELECT|SELECT");
    database.execute("GRANT SELECT ON outbox_event TO outbox_agent");
    publishesAfterTheFix();
  }

  @Test
  @EnabledIfSystemProperty(named = "e2e.long", matches = "true")
  void refusesMissingReplicationAttribute() throws Exception {
    database.execute("ALTER ROLE outbox_agent NOREPLICATION");
    try {
      startRefused("role outbox_agent may not replicate");
    } finally {
      database.execute("ALTER ROLE outbox_agent REPLICATION");
    }
    publishesAfterTheFix();
  }

  @Test
  void refusesWrongPassword() {
    agent.close();
    agent = AgentProcess.of("refusal-" + topic, config.source("password", "not-the-password"));
    startRefused("refused the password of role outbox_agent");
    assertThat(agent.log()).as("the log").doesNotContain("not-the-password");
  }

  @Test
  @EnabledIfSystemProperty(named = "e2e.long", matches = "true")
  void refusesWrongTopic() {
    agent.close();
    String absent = topic + "Absent";
    agent =
        AgentProcess.of(
            "refusal-" + topic,
            config.route("topic", absent).route("allowedTopics", "[\"" + absent + "\"]"));
    startRefused("topic " + absent + " does not exist");
    stage.createTopic(absent);
    agent.awaitStatus(status -> status.is("LEADING"), LEADS_WITHIN);
  }

  @Test
  void refusesWrongWalLevel() {
    PostgresServer.Options options =
        PostgresServer.Options.of(PostgresVersion.V17).withSetting("wal_level", "replica");
    try (PostgresServer server = PostgresServer.start(options)) {
      SourceDatabase plain = SourceDatabase.create(server);
      agent.close();
      agent =
          AgentProcess.of(
              "refusal-" + topic, AgentConfig.of(plain, stage.kafka().bootstrapServers(), topic));
      startRefused("wal_level=replica");
    }
  }

  /** Publishes one event, stops the agent, commits another event, and does the damage. */
  private void damageWhileDown(Damage damage) throws SQLException {
    publishOne();
    agent.stop();
    run.writeMarker();
    damage.to(database);
    sinceDamage = Stopwatch.start();
    startServing();
  }

  private void damageWhileRunning(Damage damage) throws SQLException {
    publishOne();
    damage.to(database);
    sinceDamage = Stopwatch.start();
  }

  private void publishOne() {
    agent.startAndLead(LEADS_WITHIN);
    run.reader().await(run.writeMarker().entries().get(0).id(), LEADS_WITHIN);
  }

  private void startRefused(String cause) {
    sinceDamage = Stopwatch.start();
    startServing();
    refuses(cause);
  }

  /** The time until the process answers at all is the machine's more than the agent's. */
  private void startServing() {
    agent.start();
    agent.awaitStatus(status -> !status.is(AgentStatus.UNREACHABLE), REFUSES_WITHIN);
    serving = sinceDamage.elapsed();
  }

  /** Waits for the refusal, and sees that nothing is published past it. */
  private void refuses(String cause) {
    AgentStatus status = agent.awaitStatus(AgentStatus::isRefusal, REFUSES_WITHIN);
    Duration took = sinceDamage.elapsed();
    new Limit(topic, PROMISED).check(took, REPORT);
    if (!serving.isZero()) {
      REPORT.line("    %s of it until the process served its pages", Report.seconds(serving));
    }
    REPORT.line("    %s: %s", status.state(), status.reason());
    assertThat(status.reason()).as("cause").containsPattern(cause);
    assertThat(status.reason()).as("way out").contains("; fix: ");
    assertThat(agent.log()).as("the log says the same").contains(status.reason());
    int before = run.reader().count();
    run.writeMarker();
    Awaitility.await("nothing is published past the refusal")
        .during(SILENCE)
        .atMost(SILENCE.multipliedBy(3))
        .until(() -> run.reader().count() == before && agent.status().isRefusal());
  }

  /** After the fix the agent goes on by itself, with what was committed meanwhile. */
  private void publishesAfterTheFix() {
    agent.awaitStatus(status -> status.is("LEADING"), LEADS_WITHIN);
    Transaction marker = run.writeMarker();
    run.reader().await(marker.entries().get(0).id(), LEADS_WITHIN);
    assertThat(run.reader().count()).as("this event and the one before the fix").isEqualTo(2);
  }

  private static void dropSlot(SourceDatabase database) throws SQLException {
    database.execute("SELECT pg_drop_replication_slot('outbox_agent')");
  }

  /** The agent streams again within moments of losing its session, so this may take a few tries. */
  private static void dropSlotInUse(SourceDatabase database) {
    Awaitility.await("the slot is dropped")
        .atMost(REFUSES_WITHIN)
        .pollDelay(Duration.ZERO)
        .pollInterval(Duration.ofMillis(10))
        .ignoreExceptionsMatching(e -> e instanceof SQLException)
        .until(
            () -> {
              database.terminateWalsender();
              dropSlot(database);
              return true;
            });
  }

  private static void takeTableOut(SourceDatabase database) throws SQLException {
    database.execute("ALTER PUBLICATION outbox_publication DROP TABLE outbox_event");
  }

  private void takeTableOutAndPutItBack(SourceDatabase edited) throws SQLException {
    takeTableOut(edited);
    run.writeMarker();
    edited.execute("ALTER PUBLICATION outbox_publication ADD TABLE outbox_event");
  }
}
