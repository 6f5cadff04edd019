package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The agent's connections, each ended alone, as an administrator may do. */
class ConnectionsIT {
  private static final Duration WITHIN = Duration.ofSeconds(90);

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

  @Test
  void eachConnectionThatIsEndedAloneComesBack() throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitLeading(pipeline);
    AtomicInteger written = new AtomicInteger();
    AtomicBoolean isDone = new AtomicBoolean();
    Thread load = new Thread(() -> write(written, isDone));
    load.start();
    try {
      rig.awaitEvents(10);
      await()
          .atMost(WITHIN)
          .untilAsserted(
              () ->
                  assertThat(sessions().keySet())
                      .contains(
                          "outbox-agent leadership",
                          "outbox-agent control",
                          "outbox-agent watch",
                          "outbox-agent wal"));
      for (String application : sessions().keySet()) {
        endAndAwaitAnother(pipeline, application);
      }
    } finally {
      isDone.set(true);
      load.join();
    }
    rig.awaitEvents(written.get());
    rig.assertThatEventsAreExactly(written.get());
    rig.execute("ALTER PUBLICATION outbox_publication DROP TABLE outbox_event");
    await()
        .atMost(WITHIN)
        .untilAsserted(
            () ->
                assertThat(pipeline.status().state())
                    .as("with the table outside the publication: %s", pipeline.status())
                    .isEqualTo(State.MISCONFIGURED));
  }

  private void endAndAwaitAnother(Pipeline pipeline, String application) throws SQLException {
    await().atMost(WITHIN).until(() -> sessions().containsKey(application));
    int ended = sessions().get(application);
    rig.execute("SELECT pg_terminate_backend(" + ended + ")");
    await()
        .atMost(WITHIN)
        .untilAsserted(
            () -> {
              assertThat(sessions()).as("after %s was ended", application).containsKey(application);
              assertThat(sessions()).doesNotContainEntry(application, ended);
              assertThat(pipeline.status().state()).isEqualTo(State.LEADING);
            });
  }

  /** The newest session of each name. */
  private Map<String, Integer> sessions() throws SQLException {
    String sql =
        "SELECT application_name, pid FROM pg_stat_activity WHERE datname = current_database()"
            + " AND usename = 'outbox_agent' AND application_name <> '' ORDER BY backend_start";
    Map<String, Integer> sessions = new TreeMap<>();
    try (Connection connection = rig.database.connect();
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      while (rows.next()) {
        sessions.put(rows.getString(1), rows.getInt(2));
      }
    }
    return sessions;
  }

  private void write(AtomicInteger written, AtomicBoolean isDone) {
    String sql =
        "INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type, payload)"
            + " VALUES ('order', ?, 'placed', ?::json)";
    try (Connection connection = rig.database.connect();
        PreparedStatement statement = connection.prepareStatement(sql)) {
      while (!isDone.get()) {
        int number = written.getAndIncrement();
        statement.setString(1, "key-" + number % 5);
        statement.setString(2, "{\"n\":" + number + "}");
        statement.execute();
        Thread.sleep(20);
      }
    } catch (SQLException | InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
