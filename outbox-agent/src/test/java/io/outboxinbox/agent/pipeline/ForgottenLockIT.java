package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.Statement;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
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
    String reason = pipeline.status().reason();
    int pid;
    try (ResultSet row = holder.executeQuery("SELECT pg_backend_pid()")) {
      row.next();
      pid = row.getInt(1);
    }
    String printed = reason.substring(reason.indexOf("SELECT ")).replace(";", "");
    try (Connection connection = rig.database.connect();
        Statement statement = connection.createStatement();
        ResultSet row =
            statement.executeQuery(
                "SELECT count(*) FROM (%s) AS printed WHERE pid = %d".formatted(printed, pid))) {
      row.next();
      assertThat(row.getInt(1)).as("rows of process %d in %s", pid, printed).isPositive();
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
