package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.pipeline.PipelineRig.Memory;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.table.WholeChange;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresServer;
import io.outboxinbox.testkit.PostgresVersion;
import java.net.SocketTimeoutException;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.Timeout.ThreadMode;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** A commit waits for a standby that is away: said by name, and nobody who is alive is replaced. */
@ParameterizedClass
@EnumSource(Memory.class)
class SynchronousStandbyIT {
  @Parameter Memory memory;

  private static final Duration WITHIN = Duration.ofSeconds(90);

  private static PostgresServer server;

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private PipelineRig rig;

  @BeforeAll
  static void startServer() {
    server = PostgresServer.start(PostgresVersion.V17);
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
    standbyIsBack();
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

  @Test
  void leadsAndPublishesWhileASynchronousStandbyIsAway() throws Exception {
    Pipeline before = rig.start("");
    rig.awaitLeading(before);
    rig.insert(0, 10);
    rig.awaitEvents(10);
    assertThat(before.stop(Duration.ofSeconds(20))).isTrue();
    standbyIsAway();
    rig.awaitLeading(rig.start(""));
    rig.insert(10, 20);
    rig.awaitEvents(20);
    rig.assertThatEventsAreExactly(20);
  }

  @Test
  void namesTheSynchronousStandbyThatAFirstStartWaitsFor() throws Exception {
    standbyIsAway();
    Pipeline pipeline = rig.start("");
    awaitReason(pipeline, State.WAITING_FOR_DATABASE, "synchronous_standby_names = 'nobody'");
    standbyIsBack();
    rig.awaitLeading(pipeline);
    rig.insert(0, 10);
    rig.awaitEvents(10);
    rig.assertThatEventsAreExactly(10);
  }

  /** An agent that waits for a standby is alive: nobody has to end it, and none begins anew. */
  @Test
  void namesTheSynchronousStandbyThatAReconciliationWaitsForAndEndsNoLeader() throws Exception {
    Pipeline before = rig.start("");
    rig.awaitLeading(before);
    rig.insert(0, 5);
    rig.awaitEvents(5);
    assertThat(before.stop(Duration.ofSeconds(20))).isTrue();
    rig.insert(5, 10);
    rig.dropSlot();
    standbyIsAway();
    List<Pipeline> agents = List.of(rig.start("onGap: reconcile"), rig.start("onGap: reconcile"));
    for (Pipeline agent : agents) {
      awaitReason(agent, State.WAITING_FOR_DATABASE, "synchronous_standby_names = 'nobody'");
    }
    standbyIsBack();
    rig.awaitEvents(10);
    rig.assertThatEventsAreExactly(10);
    assertThat(rig.query("SELECT string_agg(state, ' ') FROM outbox_reconciliation"))
        .isEqualTo("done");
  }

  /** The standby may go away in the middle; without a sign of life the leader would be replaced. */
  @Test
  @Timeout(value = 60, threadMode = ThreadMode.SEPARATE_THREAD)
  void keepsNoLockWhileWhatIsCarriedOverWaitsForASynchronousStandby() throws Exception {
    rig.execute("INSERT INTO outbox_agent_source (source) VALUES ('source')");
    SourceConfiguration source = rig.configuration("").source();
    WholeChange change = new WholeChange(source, new SourceConnections(source));
    assertThatThrownBy(
            () ->
                change.make(
                    "the change",
                    Set.of("source"),
                    connection -> {
                      standbyIsAway();
                      try (Statement statement = connection.createStatement()) {
                        return statement.executeUpdate(
                            "UPDATE %s SET reconciliation = 1"
                                .formatted(
                                    Identifiers.qualified(source.schema(), "outbox_agent_source")));
                      }
                    }))
        .isInstanceOf(SQLException.class)
        .hasRootCauseInstanceOf(SocketTimeoutException.class);
    rig.execute("SET lock_timeout = '2s'; UPDATE outbox_agent_source SET pulse = pulse + 1");
    assertThat(rig.query("SELECT reconciliation + pulse FROM outbox_agent_source")).isEqualTo("2");
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

  /** Writers of the test do not wait for it. */
  private void standbyIsAway() throws SQLException {
    rig.execute(
        "ALTER ROLE " + server.superuser() + " SET synchronous_commit = local",
        "ALTER SYSTEM SET synchronous_standby_names = 'nobody'",
        "SELECT pg_reload_conf()");
  }

  private void standbyIsBack() throws SQLException {
    rig.execute("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()");
  }
}
