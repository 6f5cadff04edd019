package io.outboxinbox.inbox.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.outboxinbox.inbox.DeadLetter;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.Message;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.MariaDbExtension;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Handlers whose transaction ends under them. */
class HandlerTransactionOnMariaDbIT {
  private static final int DEADLOCK = 1213;

  @RegisterExtension static final MariaDbExtension mariadb = MariaDbExtension.shared();
  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private ConsumerRig rig;

  @BeforeEach
  void setUp() throws Exception {
    setUp(1);
  }

  private void setUp(int partitions) throws Exception {
    String url = "jdbc:mariadb://127.0.0.1:" + mariadb.port() + "/" + mariadb.newDatabase();
    rig =
        new ConsumerRig(
            url,
            mariadb.user(),
            mariadb.password(),
            kafka.bootstrapServers(),
            kafka.newTopic("h", partitions));
    String schema = "schema/mysql/10_inbox.sql";
    try (InputStream script = Inbox.class.getClassLoader().getResourceAsStream(schema)) {
      String text = new String(script.readAllBytes(), StandardCharsets.UTF_8);
      for (String one : text.replaceAll("(?m)^ *--.*$", "").split(";\\s*\n", -1)) {
        if (!one.isBlank()) {
          rig.execute(one);
        }
      }
    }
    rig.execute("CREATE TABLE effect (id varchar(200))");
    rig.execute("CREATE TABLE account (id int PRIMARY KEY, v int NOT NULL)");
    rig.execute("INSERT INTO account VALUES (1, 0), (2, 0)");
    rig.execute("CREATE TABLE heavy (n int)");
  }

  @AfterEach
  void tearDown() {
    rig.close();
  }

  /** InnoDB has rolled back the ids as well, and the handler goes on in a new transaction. */
  @ParameterizedTest
  @ValueSource(ints = {100, 1})
  void aHandlerThatSwallowsADeadlockHasFailed(int batchMax) throws Exception {
    rig.sendMany(20, 20);
    AtomicBoolean isDone = new AtomicBoolean();
    rig.start(
        rig.builder()
            .threads(1)
            .batchMax(batchMax)
            .handler(
                (connection, message) -> {
                  addEffect(connection, message);
                  if (message.text().equals("10") && isDone.compareAndSet(false, true)) {
                    loseADeadlock(connection);
                  }
                }));
    ConsumerRig.eventually().until(() -> rig.committedOffset(0) == 20);
    assertThat(rig.number("SELECT count(*) FROM effect")).isEqualTo(20);
    assertThat(rig.number("SELECT count(*) FROM inbox_message")).isEqualTo(20);
    assertThat(rig.number("SELECT sum(v) FROM account")).isEqualTo(200);
  }

  static Stream<Arguments> hiddenCommits() {
    return Stream.of("CALL settle()", "CALL settle_and_fail()", "ANALYZE TABLE heavy")
        .flatMap(sql -> Stream.of(arguments(sql, 1), arguments(sql, 100)));
  }

  /** The ids are committed, so another attempt would take the messages for handled. */
  @ParameterizedTest
  @MethodSource("hiddenCommits")
  void noMessageIsSkippedWhoseHandlerHasCommitted(String sql, int batchMax) throws Exception {
    rig.execute("CREATE PROCEDURE settle() BEGIN COMMIT; END");
    rig.execute(
        "CREATE PROCEDURE settle_and_fail()"
            + " BEGIN COMMIT; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'on purpose'; END");
    rig.sendMany(20, 20);
    rig.flush();
    rig.start(
        rig.builder()
            .threads(1)
            .batchMax(batchMax)
            .handler(
                (connection, message) -> {
                  addEffect(connection, message);
                  if (message.text().equals("10")) {
                    execute(connection, sql);
                    addEffect(connection, message);
                  }
                }));
    ConsumerRig.eventually().until(() -> rig.committedOffset(0) == 20);
    List<DeadLetter> letters = rig.deadLetters();
    long handled = rig.number("SELECT count(DISTINCT id) FROM effect");
    long settled =
        rig.number(
            "SELECT count(*) FROM (SELECT id FROM effect"
                + " UNION SELECT message_id FROM inbox_dead_letter) AS every_one");
    assertThat(settled).isEqualTo(20);
    assertThat(handled).isGreaterThanOrEqualTo(batchMax == 1 ? 19 : 10);
    assertThat(letters.stream().map(DeadLetter::offset)).contains(10L);
  }

  /** It has rolled back, and whoever waited for that has handled them. */
  @ParameterizedTest
  @ValueSource(ints = {1, 100})
  void noHealthyMessageIsSetAsideWhereAnotherHasHandledIt(int batchMax) throws Exception {
    rig.execute("CREATE PROCEDURE give_up() BEGIN ROLLBACK; END");
    rig.sendMany(20, 20);
    rig.flush();
    CountDownLatch entered = new CountDownLatch(1);
    AtomicBoolean isFirst = new AtomicBoolean(true);
    rig.start(
        rig.builder()
            .threads(1)
            .batchMax(batchMax)
            .handler(
                (connection, message) -> {
                  addEffect(connection, message);
                  if (isFirst.compareAndSet(true, false)) {
                    entered.countDown();
                    // InnoDB refreshes the view only after a tenth of a second without a look.
                    ConsumerRig.eventually()
                        .pollInterval(Duration.ofMillis(250))
                        .until(() -> rig.number(WAITING) > 0);
                    execute(connection, "CALL give_up()");
                    throw new IllegalStateException("on purpose");
                  }
                }));
    entered.await();
    rig.start(
        rig.builder()
            .kafka(rig.kafka(Map.of("group.id", rig.group() + "-b")))
            .threads(1)
            .batchMax(batchMax)
            .handler(HandlerTransactionOnMariaDbIT::addEffect));
    ConsumerRig.eventually().until(() -> rig.committedOffset(0) == 20);
    assertThat(rig.deadLetters()).isEmpty();
    assertThat(rig.number("SELECT count(*) FROM effect")).isEqualTo(20);
    assertThat(rig.number("SELECT count(DISTINCT id) FROM effect")).isEqualTo(20);
  }

  private static final String WAITING =
      "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'";

  /** Ordinary handlers; every tenth message comes in another partition as well. */
  @Test
  void eachMessageHasItsEffectOnceThroughDeadlocks() throws Exception {
    rig.close();
    setUp(4);
    rig.execute("INSERT INTO account SELECT seq, 0 FROM seq_3_to_20");
    for (int i = 0; i < 600; i++) {
      String id = ConsumerRig.newId();
      rig.send(i % 4, "k" + i % 50, id, "" + i);
      if (i % 10 == 0) {
        rig.send((i + 1) % 4, "k" + i % 50, id, "" + i);
      }
    }
    rig.flush();
    for (int member = 0; member < 2; member++) {
      rig.start(
          rig.builder()
              .threads(6)
              .batchMax(10)
              .retry(new RetryPolicy(100, Duration.ofMillis(2), Duration.ofMillis(10), 1))
              .handler(
                  (connection, message) -> {
                    addEffect(connection, message);
                    addToAnyAccount(connection);
                    Thread.sleep(2);
                    addToAnyAccount(connection);
                  }));
    }
    ConsumerRig.eventually()
        .until(
            () ->
                rig.number("SELECT count(DISTINCT id) FROM effect") + rig.deadLetters().size()
                    >= 600);
    assertThat(rig.deadLetters()).isEmpty();
    assertThat(rig.number("SELECT count(*) FROM effect")).isEqualTo(600);
  }

  private static void addToAnyAccount(Connection connection) throws SQLException {
    int id = 1 + ThreadLocalRandom.current().nextInt(20);
    execute(connection, "UPDATE account SET v = v + 1 WHERE id = " + id);
  }

  private static void addEffect(Connection connection, Message message) throws SQLException {
    try (var insert = connection.prepareStatement("INSERT INTO effect VALUES (?)")) {
      insert.setString(1, message.id().text());
      insert.executeUpdate();
    }
  }

  /** The other transaction has changed more, so this one is the victim. */
  private void loseADeadlock(Connection connection) throws Exception {
    CountDownLatch hasSecond = new CountDownLatch(1);
    CountDownLatch hasFirst = new CountDownLatch(1);
    FutureTask<Void> winner =
        new FutureTask<>(
            () -> {
              try (Connection other =
                  DriverManager.getConnection(rig.url(), mariadb.user(), mariadb.password())) {
                other.setAutoCommit(false);
                execute(other, "INSERT INTO heavy SELECT seq FROM seq_1_to_5000");
                execute(other, "UPDATE account SET v = v + 100 WHERE id = 2");
                hasSecond.countDown();
                hasFirst.await();
                execute(other, "UPDATE account SET v = v + 100 WHERE id = 1");
                other.commit();
              }
              return null;
            });
    new Thread(winner).start();
    hasSecond.await();
    execute(connection, "UPDATE account SET v = v + 1 WHERE id = 1");
    hasFirst.countDown();
    try {
      execute(connection, "UPDATE account SET v = v + 1 WHERE id = 2");
    } catch (SQLException swallowed) {
      assertThat(swallowed.getErrorCode()).isEqualTo(DEADLOCK);
    }
    winner.get(60, TimeUnit.SECONDS);
  }

  private static void execute(Connection connection, String sql) throws SQLException {
    try (var statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "ROLLBACK /* x */ TO SAVEPOINT a",
        "CREATE /* x */ TEMPORARY TABLE t (a int)",
        "SET autocommit = 0"
      })
  void whatEndsNoTransactionIsAllowed(String sql) throws Exception {
    rig.sendMany(1, 1);
    rig.start(
        rig.builder()
            .handler(
                (connection, message) -> {
                  try (var statement = connection.createStatement()) {
                    statement.execute("INSERT INTO effect VALUES ('" + message.text() + "')");
                    statement.execute("SAVEPOINT a");
                    statement.execute(sql);
                  }
                }));
    ConsumerRig.eventually().until(() -> rig.committedOffset(0) == 1);
    assertThat(rig.deadLetters()).isEmpty();
    assertThat(rig.effects()).isEqualTo(1);
  }
}
