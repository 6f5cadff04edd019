package io.outboxinbox.agent.lead;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.operate.SourceReset;
import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.agent.pipeline.PipelineRig.Memory;
import io.outboxinbox.agent.pipeline.PipelineStatus;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresServer;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Nobody leads although nothing of ours is broken: said by name, with the way out. */
@ParameterizedClass
@EnumSource(Memory.class)
class LeadershipIT {
  @Parameter Memory memory;

  private static final Duration WITHIN = Duration.ofSeconds(90);
  private static final String KEY = "hashtext('outbox_publication')";

  private static PostgresServer server;

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private PipelineRig rig;

  @BeforeAll
  static void startServer() {
    server =
        PostgresServer.start(
            PostgresServer.Options.of(PostgresVersion.V17)
                .withSetting("max_prepared_transactions", "5"));
  }

  @AfterAll
  static void stopServer() {
    server.close();
  }

  @BeforeEach
  void setUp() throws Exception {
    rig = PipelineRig.on(server, kafka, memory);
  }

  @AfterEach
  void tearDown() throws Exception {
    rig.close();
    // Slots belong to the server, and the next database's agent would find this one's.
    await()
        .atMost(WITHIN)
        .ignoreExceptions()
        .untilAsserted(
            () ->
                rig.execute(
                    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "SELECT pg_advisory_lock(45253, " + KEY + ")",
        "SELECT pg_advisory_lock(45255, " + KEY + ")",
      })
  void namesWhoeverHoldsALockOfTheAgentsAndHowToEndIt(String taken) throws Exception {
    try (Connection other = rig.database.connect();
        Statement statement = other.createStatement()) {
      statement.execute("SET application_name = 'a report'");
      statement.execute(taken);
      Pipeline pipeline = rig.start("");
      awaitReason(pipeline, State.MISCONFIGURED, "a report");
      assertThat(pipeline.status().reason()).contains("role " + server.superuser());
      runFixOf(pipeline);
      rig.awaitLeading(pipeline);
      assertThat(other.isValid(5)).as("the holder").isFalse();
    }
  }

  @Test
  void aResetOutwaitsTheSessionOfAnAgentThatHasJustStopped() throws Exception {
    FutureTask<String> reset =
        new FutureTask<>(new SourceReset(rig.configuration(""), "operator")::run);
    try (Connection former = rig.database.connect();
        Statement statement = former.createStatement()) {
      statement.execute("SELECT pg_advisory_lock(45253, " + KEY + ")");
      new Thread(reset, "operator").start();
      await()
          .atMost(WITHIN)
          .until(
              () ->
                  reset.isDone()
                      || rig.query(
                              "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pulse%'"
                                  + " AND datname = current_database()"
                                  + " AND application_name = 'outbox-agent leadership'")
                          .equals("1"));
    }
    assertThat(reset.get(WITHIN.toSeconds(), TimeUnit.SECONDS)).isNotEmpty();
  }

  /** It may be in the middle of something; only a successor ends it, and knows what to look at. */
  @Test
  void aResetLeavesTheSessionOfASilentLeaderAlone() throws Exception {
    try (Connection silent = rig.database.connectAs("outbox_agent", "agent");
        Statement statement = silent.createStatement()) {
      statement.execute("SELECT pg_advisory_lock(45253, " + KEY + ")");
      assertThatThrownBy(() -> new SourceReset(rig.configuration(""), "operator").run())
          .hasMessageContaining("an agent leads source");
      assertThat(silent.isValid(5)).as("the silent leader's session").isTrue();
    }
  }

  @Test
  void namesAPreparedTransactionThatHoldsTheLeadershipLock() throws Exception {
    rig.execute(
        "BEGIN",
        "SELECT pg_advisory_xact_lock(45253, " + KEY + ")",
        "PREPARE TRANSACTION 'a batch'");
    Pipeline pipeline = rig.start("");
    awaitReason(pipeline, State.MISCONFIGURED, "prepared transaction 'a batch'");
    runFixOf(pipeline);
    rig.awaitLeading(pipeline);
  }

  /** Each subtransaction that wrote has a number of its own. */
  @Test
  void namesAPreparedTransactionOnceWhateverSavepointsItHad() throws Exception {
    rig.execute(
        "BEGIN",
        "CREATE TABLE first (n int)",
        "SAVEPOINT one",
        "CREATE TABLE second (n int)",
        "SAVEPOINT two",
        "CREATE TABLE third (n int)",
        "RELEASE one",
        "SAVEPOINT three",
        "CREATE TABLE fourth (n int)",
        "SELECT pg_advisory_xact_lock(45253, " + KEY + ")",
        "PREPARE TRANSACTION 'a batch'");
    Pipeline pipeline = rig.start("");
    awaitReason(pipeline, State.MISCONFIGURED, "prepared transaction 'a batch'");
    assertThat(pipeline.status().reason()).doesNotContain("process 0", "pg_terminate_backend(0)");
    runFixOf(pipeline);
    rig.awaitLeading(pipeline);
  }

  /** As it is copied from a log, in which a message has one line. */
  @Test
  void theWayOutOfSeveralHoldersRunsWholeFromALineOfTheLog() throws Exception {
    try (Connection one = rig.database.connect();
        Connection other = rig.database.connect()) {
      for (Connection holder : List.of(one, other)) {
        try (Statement statement = holder.createStatement()) {
          statement.execute("SELECT pg_advisory_lock_shared(45255, " + KEY + ")");
        }
      }
      Pipeline pipeline = rig.start("");
      awaitReason(pipeline, State.MISCONFIGURED, "may still write for an earlier leader");
      rig.execute(fix(pipeline).replaceAll("[\\r\\n]+", " | "));
      assertThat(one.isValid(5)).as("one holder").isFalse();
      assertThat(other.isValid(5)).as("the other holder").isFalse();
      rig.awaitLeading(pipeline);
    }
  }

  @Test
  void namesTheAgentThatLeadsWhereItStandsBy() throws Exception {
    Pipeline leader = rig.start("");
    rig.awaitLeading(leader);
    assertThat(leader.status().ledBy()).isEqualTo("test");
    Pipeline standby = rig.start("");
    rig.awaitState(standby, State.STANDBY);
    assertThat(standby.status().ledBy()).matches("test at [0-9a-f.:]+");
    assertThat(leader.stop(Duration.ofSeconds(20))).isTrue();
    assertThat(leader.status().ledBy()).isEmpty();
    rig.awaitLeading(standby);
    assertThat(standby.status().ledBy()).isEqualTo("test");
  }

  private static void awaitReason(Pipeline pipeline, State state, String reason) {
    await()
        .atMost(WITHIN)
        .pollInterval(Duration.ofMillis(20))
        .untilAsserted(
            () -> {
              PipelineStatus status = pipeline.status();
              assertThat(status.state()).as(status.toString()).isEqualTo(state);
              assertThat(status.reason()).contains(reason);
            });
  }

  /** As printed. */
  private void runFixOf(Pipeline pipeline) throws SQLException {
    rig.execute(fix(pipeline));
  }

  private static String fix(Pipeline pipeline) {
    String reason = pipeline.status().reason();
    return reason.substring(reason.indexOf("fix: ") + "fix: ".length());
  }
}
