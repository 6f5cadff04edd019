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
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The agent's connections, each ended alone, as an administrator may do. */
class ConnectionsIT {
  private static final Logger LOG = LoggerFactory.getLogger(ConnectionsIT.class);
  private static final Duration WITHIN = Duration.ofSeconds(90);

  /** In the server itself, since many sessions have gone before anybody could ask for them. */
  private static final String END_EACH =
      """
      DO $$
      DECLARE
        victim record;
        done text[] := '{}';
      BEGIN
        WHILE NOT EXISTS (SELECT FROM enough)
          AND clock_timestamp() < now() + interval '5 minutes'
        LOOP
          PERFORM pg_stat_clear_snapshot();
          FOR victim IN
            SELECT pid, application_name AS name FROM pg_stat_activity
             WHERE datname = current_database() AND usename = 'outbox_agent'
               AND application_name <> '' AND NOT application_name = ANY (done)
          LOOP
            PERFORM pg_terminate_backend(victim.pid);
            done := done || victim.name;
          END LOOP;
          PERFORM pg_sleep(0.002);
        END LOOP;
        INSERT INTO ended SELECT unnest(done);
      END $$
      """;

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

  /** Most sessions live for a moment only: whichever is ended, its work is done once more. */
  @Test
  void nothingIsLostByEndingEachSessionOnceAsSoonAsItIsThere() throws Exception {
    rig.insert(0, 50);
    Pipeline first = endingEach("first start", () -> leading(60));
    Pipeline second = rig.start("onGap: reconcile");
    rig.awaitState(second, State.STANDBY);
    endingEach(
        "takeover",
        () -> {
          // Either may lead by now: the sessions of both are ended.
          assertThat(first.stop(Duration.ofSeconds(40))).isTrue();
          rig.awaitLeading(second);
          return second;
        });
    assertThat(second.stop(Duration.ofSeconds(40))).isTrue();
    rig.insert(60, 70);
    rig.dropSlot();
    endingEach("reconciliation", () -> leading(80));
    rig.assertThatEventsAreExactly(80);
  }

  /** A pipeline that has published as many events; ten of them are new. */
  private Pipeline leading(int count) throws Exception {
    Pipeline pipeline = rig.start("onGap: reconcile");
    rig.awaitLeading(pipeline);
    rig.insert(count - 10, count);
    rig.awaitEvents(count);
    return pipeline;
  }

  private Pipeline endingEach(String phase, Callable<Pipeline> work) throws Exception {
    rig.execute(
        "CREATE TABLE IF NOT EXISTS enough ()", "CREATE TABLE IF NOT EXISTS ended (name text)");
    ExecutorService executor = Executors.newSingleThreadExecutor();
    try {
      Future<?> ending =
          executor.submit(
              () -> {
                rig.database.execute(END_EACH);
                return true;
              });
      Pipeline pipeline;
      try {
        pipeline = work.call();
      } finally {
        rig.execute("INSERT INTO enough DEFAULT VALUES");
      }
      ending.get(WITHIN.toSeconds(), TimeUnit.SECONDS);
      List<String> ended = rig.database.list("SELECT name FROM ended ORDER BY 1");
      LOG.info("ended in phase {}: {}", phase, ended);
      assertThat(ended).contains("outbox-agent leadership", "outbox-agent control");
      return pipeline;
    } finally {
      executor.shutdownNow();
      rig.execute("DROP TABLE enough, ended");
    }
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
