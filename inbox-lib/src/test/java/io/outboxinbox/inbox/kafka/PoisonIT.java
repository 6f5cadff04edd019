package io.outboxinbox.inbox.kafka;

import static io.outboxinbox.inbox.kafka.ConsumerRig.eventually;
import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.MariaDbExtension;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresServer;
import io.outboxinbox.testkit.PostgresVersion;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.PGConnection;
import org.postgresql.ds.PGSimpleDataSource;

/** A message that asks too much looks like a database in trouble, but it ends as a dead letter. */
class PoisonIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final MariaDbExtension mariadb = MariaDbExtension.shared();
  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private static final String POISON = "poison";

  /** A guess of {@link Lane}, and the first. */
  private static final int TRIES = 21;

  /** Twenty pauses of up to five seconds. */
  private static final Duration LIMIT = Duration.ofMinutes(4);

  private interface Work {
    void on(Connection connection, String text) throws Exception;
  }

  private static void assertSetAside(ConsumerRig rig, String poison, Work work) throws Exception {
    assertThat(triesUntilSetAside(rig, poison, rig.builder(), work)).isBetween(2, TRIES);
  }

  /** How often a lane tries one message that does not work, before one that does, behind it. */
  private static int triesUntilSetAside(
      ConsumerRig rig, String poison, InboxConsumerBuilder builder, Work work) throws Exception {
    AtomicInteger tries = new AtomicInteger();
    rig.send(0, "bad", ConsumerRig.newId(), poison);
    rig.send(0, "good", ConsumerRig.newId(), "fine");
    rig.flush();
    InboxConsumer consumer =
        rig.start(
            builder
                .threads(1)
                .batchMax(1)
                .retry(new RetryPolicy(1, Duration.ofMillis(20), Duration.ofMillis(200), 0.5))
                .handler(
                    (connection, message) -> {
                      if (message.text().startsWith(POISON)) {
                        tries.incrementAndGet();
                        work.on(connection, message.text());
                      } else {
                        add(connection, message.text());
                      }
                    }));
    eventually().atMost(LIMIT).ignoreExceptions().until(() -> rig.effects() == 1);
    assertThat(rig.deadLetters()).hasSize(1);
    eventually().until(() -> consumer.state() == ConsumerState.RUNNING);
    return tries.get();
  }

  private static void add(Connection connection, String text) throws SQLException {
    try (var insert = connection.prepareStatement("INSERT INTO effect (id) VALUES (?)")) {
      insert.setString(1, text);
      insert.executeUpdate();
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "transaction_timeout = '500ms' | SELECT pg_sleep(30)",
        "temp_file_limit = '1MB' | SELECT count(*) FROM (SELECT n, md5(n::text)"
            + " FROM generate_series(1, 200000) AS n ORDER BY 2 OFFSET 0) AS sorted",
        "work_mem = '4MB' | SELECT pg_terminate_backend(pg_backend_pid())"
      })
  void setsAsideWhatPostgresEndsOrRefusesEachTime(String setting, String statement)
      throws Exception {
    PostgresDatabase database = postgres.newDatabase();
    try (ConsumerRig rig =
        ConsumerRig.of(database, kafka.bootstrapServers(), kafka.newTopic("o", 1))) {
      rig.execute(
          "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET "
              + setting.replace("'", "''")
              + "', current_database()); END $$");
      rig.dataSource().getHikariPoolMXBean().softEvictConnections();
      assertSetAside(
          rig,
          POISON,
          (connection, text) -> {
            try (var poisoned = connection.createStatement()) {
              poisoned.execute(statement);
            }
          });
    }
  }

  /**
   * As the killer of processes does where memory runs out. The server begins anew each time, and
   * answers meanwhile that it does; a pool hands out connections of the time before.
   */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void setsAsideWhatCrashesPostgresEachTime(boolean isPooled) throws Exception {
    try (PostgresServer server = PostgresServer.start(PostgresVersion.V17)) {
      PostgresDatabase database = server.database(server.createDatabase("crash"));
      try (ConsumerRig rig =
          ConsumerRig.of(database, kafka.bootstrapServers(), kafka.newTopic("o", 1))) {
        InboxConsumerBuilder builder = rig.builder();
        if (!isPooled) {
          PGSimpleDataSource plain = new PGSimpleDataSource();
          plain.setUrl(database.jdbcUrl());
          plain.setUser(database.user());
          plain.setPassword(database.password());
          builder.dataSource(plain);
        }
        assertThat(triesUntilSetAside(rig, POISON, builder, killsBackend())).isBetween(2, TRIES);
      }
    }
  }

  private static Work killsBackend() {
    return (connection, text) -> {
      try (var select = connection.createStatement();
          var row = select.executeQuery("SELECT pg_backend_pid()")) {
        row.next();
        new ProcessBuilder("kill", "-9", row.getString(1)).start().waitFor();
      }
      add(connection, text);
    };
  }

  /** What it does is done by a trigger in its commit, and our own statements come between. */
  @Test
  void setsAsideWhatBreaksTheConnectionInItsCommitEachTime() throws Exception {
    try (ConsumerRig rig =
        ConsumerRig.of(postgres, kafka.bootstrapServers(), kafka.newTopic("o", 1))) {
      rig.execute(
          "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
              + " 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'");
      rig.execute(
          "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON effect DEFERRABLE INITIALLY DEFERRED"
              + " FOR EACH ROW WHEN (NEW.id = 'poison') EXECUTE FUNCTION die()");
      assertSetAside(rig, POISON, PoisonIT::add);
    }
  }

  /** Out of locks; a file that the message names. Both at once, since it takes a minute. */
  @Test
  void setsAsideWhatLooksAsIfPostgresLackedSomething() throws Exception {
    String topic = kafka.newTopic("o", 2);
    try (ConsumerRig rig = ConsumerRig.of(postgres, kafka.bootstrapServers(), topic)) {
      assertSetAside(
          rig,
          List.of(
              "SELECT count(pg_advisory_xact_lock(n)) FROM generate_series(1, 200000) AS n",
              "SELECT pg_read_file('nosuch')"),
          100);
    }
  }

  @Test
  void setsAsideWhatFillsATableInMemory() throws Exception {
    try (ConsumerRig rig = onMariaDb()) {
      rig.execute("CREATE TABLE effect (id longtext)");
      rig.execute("CREATE TABLE small (text varchar(1000)) ENGINE = MEMORY");
      String poison = "INSERT INTO small SELECT repeat('x', 1000) FROM seq_1_to_100000";
      assertSetAside(rig, List.of(poison), 1);
    }
  }

  /** One bad message in each partition, and a good one of another key behind it. */
  private static void assertSetAside(ConsumerRig rig, List<String> poisons, int batchMax)
      throws Exception {
    for (int partition = 0; partition < poisons.size(); partition++) {
      rig.send(partition, "bad" + partition, ConsumerRig.newId(), poisons.get(partition));
      rig.send(partition, "good", ConsumerRig.newId(), "fine");
    }
    rig.flush();
    Map<String, AtomicInteger> tries = new ConcurrentHashMap<>();
    InboxConsumer consumer =
        rig.start(
            rig.builder()
                .threads(1)
                .batchMax(batchMax)
                .retry(new RetryPolicy(1, Duration.ofMillis(20), Duration.ofMillis(200), 0.5))
                .handler(
                    (connection, message) -> {
                      if (poisons.contains(message.text())) {
                        tries
                            .computeIfAbsent(message.text(), text -> new AtomicInteger())
                            .incrementAndGet();
                        try (var statement = connection.createStatement()) {
                          statement.execute(message.text());
                        }
                      }
                      add(connection, message.text());
                    }));
    eventually().atMost(LIMIT).until(() -> rig.effects() == poisons.size());
    assertThat(rig.deadLetters()).hasSize(poisons.size());
    eventually().until(() -> consumer.state() == ConsumerState.RUNNING);
    assertThat(tries.values())
        .hasSize(poisons.size())
        .allSatisfy(number -> assertThat(number.get()).isGreaterThanOrEqualTo(TRIES));
  }

  private ConsumerRig onMariaDb() throws Exception {
    String url = "jdbc:mariadb://127.0.0.1:%d/%s".formatted(mariadb.port(), mariadb.newDatabase());
    ConsumerRig rig =
        new ConsumerRig(
            url,
            mariadb.user(),
            mariadb.password(),
            kafka.bootstrapServers(),
            kafka.newTopic("o", 1));
    try (InputStream in =
        Inbox.class.getClassLoader().getResourceAsStream("schema/mysql/10_inbox.sql")) {
      String script = new String(in.readAllBytes(), StandardCharsets.UTF_8);
      for (String one : script.replaceAll("(?m)^ *--.*$", "").split(";\\s*\\n", -1)) {
        if (!one.isBlank()) {
          rig.execute(one);
        }
      }
    }
    return rig;
  }

  @Test
  void setsAsideWhatMariaDbDoesNotTakeInOnePacket() throws Exception {
    try (ConsumerRig rig = onMariaDb()) {
      rig.execute("CREATE TABLE effect (id longtext)");
      assertSetAside(
          rig, POISON, (connection, text) -> add(connection, text.repeat(20_000_000 / 6)));
    }
  }

  /**
   * The driver waits for its end for ever, whatever is asked of the connection. A handler that has
   * failed before that has failed, for the one attempt it has.
   */
  @ParameterizedTest
  @CsvSource({"true, 1", "false, 21"})
  void setsAsideWhatLeavesACopyOpenEachTime(boolean fails, int expected) throws Exception {
    try (ConsumerRig rig =
        ConsumerRig.of(postgres, kafka.bootstrapServers(), kafka.newTopic("o", 1))) {
      int tries =
          triesUntilSetAside(
              rig,
              POISON,
              rig.builder()
                  .stepLimits(new StepWatch.Limits(Duration.ofMinutes(5), Duration.ofSeconds(1))),
              (connection, text) -> {
                connection
                    .unwrap(PGConnection.class)
                    .getCopyAPI()
                    .copyOut("COPY (SELECT generate_series(1, 10)) TO STDOUT");
                if (fails) {
                  throw new IllegalStateException("a bad row");
                }
              });
      assertThat(tries).isEqualTo(expected);
    }
  }
}
