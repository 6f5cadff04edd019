package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.operate.ReconcileRequest;
import io.outboxinbox.agent.operate.SourcePause;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.Timeout.ThreadMode;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Somebody has locked what the agent has to change, and gone home. */
class ForgottenLockIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private PipelineRig rig;

  @BeforeEach
  void setUp() throws Exception {
    rig = new PipelineRig(postgres, kafka);
  }

  @AfterEach
  void tearDown() throws Exception {
    rig.close();
  }

  private Pipeline lead() throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitState(pipeline, State.LEADING);
    return pipeline;
  }

  /** The query that is printed has to find the holder while the pipeline waits for it. */
  private void awaitNamed(Pipeline pipeline, Statement holder) throws Exception {
    rig.await(() -> pipeline.status().reason().contains("another session has locked"));
    assertThatIsNamed(pipeline.status().reason(), holder);
  }

  private void assertThatIsNamed(String reason, Statement holder) throws Exception {
    String pid = pid(holder);
    String printed = reason.substring(reason.indexOf("SELECT ")).replace(";", "");
    assertThat(
            rig.query(
                "SELECT count(*) > 0 FROM (%s) AS printed WHERE pid = %s".formatted(printed, pid)))
        .as("process %s in %s", pid, printed)
        .isEqualTo("t");
  }

  private static String pid(Statement session) throws Exception {
    try (ResultSet row = session.executeQuery("SELECT pg_backend_pid()")) {
      row.next();
      return row.getString(1);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "SELECT 1 FROM outbox_agent_source FOR UPDATE",
        "LOCK TABLE outbox_parked IN SHARE MODE",
        "LOCK TABLE outbox_agent_source"
      })
  void namesWhoHoldsItUpAtTheStartAndGoesOnAfterwards(String lock) throws Exception {
    assertThat(lead().stop(Duration.ofSeconds(20))).isTrue();
    Pipeline pipeline;
    try (Connection other = rig.database.connect();
        Statement statement = other.createStatement()) {
      other.setAutoCommit(false);
      statement.execute(lock);
      pipeline = rig.start("");
      awaitNamed(pipeline, statement);
    }
    rig.awaitState(pipeline, State.LEADING);
  }

  /** What is written down before anything is published, on sessions of their own. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void namesWhoHoldsUpTheListOfOlderRowsAndGoesOnAfterwards(boolean isFirstStart) throws Exception {
    rig.insert(0, 5);
    if (!isFirstStart) {
      assertThat(lead().stop(Duration.ofSeconds(20))).isTrue();
      rig.dropSlot();
      rig.insert(5, 10);
    }
    Pipeline pipeline;
    try (Connection other = rig.database.connect();
        Statement statement = other.createStatement()) {
      other.setAutoCommit(false);
      statement.execute("LOCK TABLE outbox_backlog IN SHARE MODE");
      pipeline = rig.start("onGap: reconcile");
      if (isFirstStart) {
        awaitNamed(pipeline, statement);
      } else {
        String holder = "table outbox_backlog is locked by process " + pid(statement);
        rig.await(() -> pipeline.status().reason().contains(holder));
        assertThat(rig.query("SELECT count(*) FROM outbox_reconciliation")).isEqualTo("0");
      }
    }
    rig.awaitState(pipeline, State.LEADING);
    rig.awaitEvents(isFirstStart ? 5 : 10);
  }

  /** What fails because of a lock must not be done when the lock goes. */
  @Test
  @Timeout(value = 60, threadMode = ThreadMode.SEPARATE_THREAD)
  void endsWhatAnOperatorAsksForAndChangesNothing() throws Exception {
    assertThat(lead().stop(Duration.ofSeconds(20))).isTrue();
    PipelineConfiguration configuration = rig.configuration("");
    try (Connection other = rig.database.connect();
        Statement statement = other.createStatement()) {
      other.setAutoCommit(false);
      statement.execute("SELECT 1 FROM outbox_agent_source FOR UPDATE");
      for (ThrowingCallable request :
          List.<ThrowingCallable>of(
              () -> new SourcePause(configuration).pause("operator", "why"),
              () -> new ReconcileRequest(configuration, "operator").ask(null))) {
        Throwable refusal = catchThrowable(request);
        assertThat(refusal)
            .isInstanceOf(AgentException.Retryable.class)
            .hasMessageContaining("nothing was changed: another session has locked");
        assertThatIsNamed(String.valueOf(refusal.getMessage()), statement);
      }
    }
    assertThat(
            rig.query(
                "SELECT paused_at IS NULL AND reconcile_requested_at IS NULL FROM outbox_agent_source"))
        .isEqualTo("t");
  }

  @Test
  void namesWhoHoldsItUpWhileItLeadsAndGoesOnAfterwards() throws Exception {
    Pipeline pipeline = lead();
    try (Connection other = rig.database.connect();
        Statement statement = other.createStatement()) {
      other.setAutoCommit(false);
      statement.execute("SELECT 1 FROM outbox_agent_source FOR UPDATE");
      awaitNamed(pipeline, statement);
    }
    rig.awaitState(pipeline, State.LEADING);
  }
}
