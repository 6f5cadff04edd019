package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.operate.SourcePause;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * What others set for database and role with ALTER DATABASE and ALTER ROLE does not reach the
 * agent: all that a pipeline does, once in a database whose every default is against it.
 */
class ForeignSessionDefaultsIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V18);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  /** Longer than every timeout below. */
  private static final String LONGER_THAN_ANY_LIMIT = "interval '2 seconds'";

  private static final Map<String, String> HOSTILE = new LinkedHashMap<>();

  static {
    HOSTILE.put("statement_timeout", "800ms");
    HOSTILE.put("lock_timeout", "800ms");
    HOSTILE.put("transaction_timeout", "900ms");
    HOSTILE.put("idle_in_transaction_session_timeout", "700ms");
    HOSTILE.put("idle_session_timeout", "700ms");
    HOSTILE.put("default_transaction_read_only", "on");
    HOSTILE.put("default_transaction_isolation", "serializable");
    HOSTILE.put("default_transaction_deferrable", "on");
    HOSTILE.put("search_path", "nowhere");
    HOSTILE.put("client_encoding", "SQL_ASCII");
    HOSTILE.put("DateStyle", "German");
    HOSTILE.put("IntervalStyle", "sql_standard");
    HOSTILE.put("TimeZone", "Asia/Kathmandu");
    HOSTILE.put("bytea_output", "escape");
    HOSTILE.put("extra_float_digits", "-10");
    HOSTILE.put("synchronous_commit", "off");
    HOSTILE.put("array_nulls", "off");
    HOSTILE.put("transform_null_equals", "on");
    HOSTILE.put("quote_all_identifiers", "on");
  }

  private PipelineRig rig;

  @BeforeEach
  void prepare() throws Exception {
    rig = new PipelineRig(postgres, kafka);
    for (Map.Entry<String, String> setting : HOSTILE.entrySet()) {
      // The superuser, who plays the application, keeps the server's defaults.
      rig.execute(
          "ALTER ROLE postgres IN DATABASE %s SET %s FROM CURRENT"
              .formatted(rig.database.name(), setting.getKey()));
    }
    for (Map.Entry<String, String> setting : HOSTILE.entrySet()) {
      rig.execute(
          "ALTER DATABASE %s SET %s = '%s'"
              .formatted(rig.database.name(), setting.getKey(), setting.getValue()),
          "ALTER ROLE outbox_agent IN DATABASE %s SET %s = '%s'"
              .formatted(rig.database.name(), setting.getKey(), setting.getValue()));
    }
  }

  @AfterEach
  void close() throws SQLException {
    rig.close();
    rig.execute(
        "ALTER ROLE outbox_agent IN DATABASE %s RESET ALL".formatted(rig.database.name()),
        "ALTER ROLE postgres IN DATABASE %s RESET ALL".formatted(rig.database.name()));
  }

  @Test
  void writesDownOlderRowsHoweverLongThatTakes() throws Exception {
    rig.insert(0, 20);
    rig.execute(
        """
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM pg_sleep(2.5);
          RETURN NULL;
        END $$
        """,
        "CREATE TRIGGER slow BEFORE INSERT ON outbox_backlog FOR EACH STATEMENT EXECUTE FUNCTION slow()");
    Pipeline pipeline = rig.start("");
    rig.awaitLeading(pipeline);
    assertThat(pipeline.status().restarts()).isZero();
    rig.awaitEvents(20);
    rig.assertThatEventsAreExactly(20);
  }

  @Test
  void streamsParksReleasesPausesAndHandsOver() throws Exception {
    Pipeline leader = rig.start("");
    rig.awaitLeading(leader);
    Pipeline standby = rig.start("");
    rig.awaitState(standby, State.STANDBY);
    rig.insert(0, 10);
    rig.execute(
        "INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type, topic) VALUES"
            + " ('order', 'nobody', 'placed', 'no-such-topic')");
    rig.awaitEvents(10);
    rig.await(() -> isTrue("SELECT count(*) = 1 FROM outbox_parked WHERE state = 'waiting'"));
    rig.execute(
        "UPDATE outbox_parked SET requested = 'discard', requested_by = 'jane',"
            + " requested_at = now(), requested_reason = 'a test'");
    rig.await(() -> isTrue("SELECT count(*) = 1 FROM outbox_parked WHERE state = 'discarded'"));
    SourcePause pause = new SourcePause(rig.configuration(""));
    assertThat(pause.pause("jane", "a test")).isTrue();
    rig.awaitState(leader, State.PAUSED);
    rig.insert(10, 20);
    // Every session that idles has outlived its limit by then.
    rig.await(
        () ->
            isTrue(
                "SELECT count(*) > 0 FROM outbox_agent_source WHERE clock_timestamp() - paused_at > "
                    + LONGER_THAN_ANY_LIMIT));
    assertThat(pause.resume()).isTrue();
    rig.awaitLeading(leader);
    rig.awaitEvents(20);
    assertThat(leader.status().restarts()).isZero();
    leader.stop(Duration.ofSeconds(60));
    rig.awaitLeading(standby);
    rig.insert(20, 30);
    rig.awaitEvents(30);
    rig.assertThatEventsAreExactly(30);
  }

  @Test
  void healsAGapFromTheTable() throws Exception {
    Pipeline pipeline = rig.start("onGap: reconcile");
    rig.awaitLeading(pipeline);
    rig.insert(0, 10);
    rig.awaitEvents(10);
    assertThat(pipeline.stop(Duration.ofSeconds(60))).isTrue();
    rig.dropSlot();
    rig.insert(10, 20);
    rig.awaitLeading(rig.start("onGap: reconcile"));
    rig.awaitEvents(20);
    rig.assertThatEventsAreExactly(20);
  }

  /** The walsender writes values as its own session says, not as ours does. */
  @Test
  void carriesBytesAsTheyAre() throws Exception {
    rig.execute(
        "ALTER TABLE outbox_event ALTER COLUMN payload TYPE bytea USING convert_to(payload::text, 'UTF8')");
    rig.awaitLeading(rig.start(""));
    rig.execute(
        "INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type, payload) VALUES"
            + " ('order', 'k', 'placed', '\\x00ff5c41')");
    rig.awaitEvents(1);
    assertThat(rig.consume().get(0).value()).isEqualTo(new byte[] {0, (byte) 0xff, 0x5c, 0x41});
  }

  /** Of a session for SQL and of one of the replication protocol. */
  @Test
  void setsWhatItRestsOnInEverySession() throws Exception {
    SourceConnections connections = new SourceConnections(rig.configuration("").source());
    try (Connection sql = connections.open("test", 30);
        Connection replication = connections.openReplication("test", 30)) {
      for (Connection connection : List.of(sql, replication)) {
        for (String name :
            List.of(
                "statement_timeout",
                "transaction_timeout",
                "idle_in_transaction_session_timeout",
                "idle_session_timeout")) {
          assertThat(setting(connection, name)).as(name).isEqualTo("0");
        }
        assertThat(setting(connection, "lock_timeout"))
            .as("creating a slot waits for transactions, as for locks")
            .isEqualTo(connection == replication ? "0" : "2s");
        assertThat(setting(connection, "default_transaction_read_only")).isEqualTo("off");
        assertThat(setting(connection, "default_transaction_isolation"))
            .isEqualTo("read committed");
        assertThat(setting(connection, "row_security")).isEqualTo("off");
        assertThat(setting(connection, "client_encoding")).isEqualTo("UTF8");
        assertThat(setting(connection, "DateStyle")).startsWith("ISO");
        assertThat(setting(connection, "bytea_output")).isEqualTo("hex");
        assertThat(setting(connection, "IntervalStyle")).isEqualTo("postgres");
        assertThat(setting(connection, "synchronous_commit"))
            .as("a parked event is durable before the position passes it")
            .isEqualTo("local");
      }
    }
  }

  private static String setting(Connection connection, String name) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery("SHOW " + name)) {
      row.next();
      return row.getString(1);
    }
  }

  private boolean isTrue(String sql) throws SQLException {
    try (Connection connection = rig.database.connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getBoolean(1);
    }
  }
}
