package io.outboxinbox.inbox.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.outboxinbox.inbox.DeadLetter;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.Message;
import io.outboxinbox.inbox.MessageHandler;
import io.outboxinbox.inbox.MessageId;
import io.outboxinbox.inbox.Transactions;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Handlers that end the transaction of their message, or outlast it. */
class HandlerTransactionIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private ConsumerRig rig;

  @BeforeEach
  void setUp() throws Exception {
    rig = ConsumerRig.of(postgres, kafka.bootstrapServers(), kafka.newTopic("h", 1));
  }

  @AfterEach
  void tearDown() {
    rig.close();
  }

  private enum End {
    STATEMENT_COMMITS,
    STATEMENT_ROLLS_BACK,
    METADATA_COMMITS,
    ROWS_COMMIT,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SEVERAL,
    PREPARED,
    /** Can only be noticed afterwards. */
    PAST_THE_CONNECTION
  }

  private static void end(End how, Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      switch (how) {
        case STATEMENT_COMMITS -> statement.getConnection().commit();
        case STATEMENT_ROLLS_BACK -> statement.getConnection().rollback();
        case METADATA_COMMITS -> connection.getMetaData().getConnection().commit();
        case ROWS_COMMIT ->
            statement.executeQuery("SELECT 1").getStatement().getConnection().commit();
        case SQL_COMMIT -> statement.execute("COMMIT");
        case SQL_ROLLBACK -> statement.execute("ROLLBACK");
        case SEVERAL -> statement.execute("SELECT 1; COMMIT");
        case PREPARED -> connection.prepareStatement("COMMIT").execute();
        case PAST_THE_CONNECTION -> connection.unwrap(Connection.class).rollback();
      }
    }
  }

  @ParameterizedTest
  @EnumSource(End.class)
  void aHandlerThatEndsItsTransactionHasFailed(End how) throws Exception {
    rig.sendMany(20, 20);
    rig.start(
        rig.builder()
            .threads(1)
            .handler(
                (connection, message) -> {
                  ConsumerRig.addEffect(connection, message);
                  if (message.text().equals("10")) {
                    end(how, connection);
                  }
                }));
    ConsumerRig.eventually().until(() -> rig.committedOffset(0) == 20);
    assertThat(rig.effects()).isEqualTo(19);
    assertThat(rig.number("SELECT count(DISTINCT id) FROM effect")).isEqualTo(19);
    assertThat(rig.deadLetters()).hasSize(1);
  }

  /** Ways to commit that nobody can refuse before, or that were not refused. */
  private enum HiddenCommit {
    PAST_THE_CONNECTION,
    PAST_THE_CONNECTION_AND_ON,
    PAST_THE_CONNECTION_AND_FAILS,
    BEHIND_A_STATEMENT,
    AND_ANOTHER_BEGINS,
    IN_A_TEXT_THAT_IS_MISREAD,
    BY_AN_ARRAY
  }

  private static void commit(HiddenCommit how, Connection connection, Message message)
      throws SQLException {
    try (Statement statement = connection.createStatement()) {
      switch (how) {
        case PAST_THE_CONNECTION -> connection.unwrap(Connection.class).commit();
        case PAST_THE_CONNECTION_AND_ON -> {
          Connection real = connection.unwrap(Connection.class);
          real.commit();
          ConsumerRig.addEffect(real, message);
        }
        case PAST_THE_CONNECTION_AND_FAILS -> {
          connection.unwrap(Connection.class).commit();
          throw new IllegalStateException("on purpose");
        }
        case BEHIND_A_STATEMENT -> statement.execute("SELECT 1; END");
        case AND_ANOTHER_BEGINS -> statement.execute("SELECT 'it''s'; END; BEGIN");
        case IN_A_TEXT_THAT_IS_MISREAD ->
            statement.execute("SELECT 'a\\'; COMMIT; BEGIN; SELECT '1'");
        case BY_AN_ARRAY ->
            connection
                .createArrayOf("int4", new Integer[] {1})
                .getResultSet()
                .getStatement()
                .getConnection()
                .commit();
      }
    }
  }

  static Stream<Arguments> hiddenCommits() {
    return Stream.of(HiddenCommit.values())
        .flatMap(how -> Stream.of(arguments(how, 1), arguments(how, 100)));
  }

  /** The ids are committed, so another attempt would take the messages for handled. */
  @ParameterizedTest
  @MethodSource("hiddenCommits")
  void noMessageIsSkippedWhoseHandlerHasCommitted(HiddenCommit how, int batchMax) throws Exception {
    rig.sendMany(20, 20);
    rig.flush();
    rig.start(rig.builder().threads(1).batchMax(batchMax).handler(committing(how)));
    ConsumerRig.eventually().until(() -> rig.committedOffset(0) == 20);
    assertNoneIsSkipped();
    DeadLetter letter =
        rig.deadLetters().stream().filter(one -> one.offset() == 10).findFirst().orElseThrow();
    if (how != HiddenCommit.BEHIND_A_STATEMENT && how != HiddenCommit.BY_AN_ARRAY) {
      assertThat(letter.failure().reason()).endsWith("TransactionEndedException");
      assertThat(letter.failure().detail()).contains("may be committed");
      assertThat(letter.failure().attempts()).isOne();
    }
  }

  private static MessageHandler committing(HiddenCommit how) {
    return (connection, message) -> {
      ConsumerRig.addEffect(connection, message);
      if (message.text().equals("10")) {
        commit(how, connection, message);
        ConsumerRig.addEffect(connection, message);
      }
    };
  }

  private void assertNoneIsSkipped() throws SQLException {
    Set<Long> setAside = new HashSet<>();
    rig.deadLetters().forEach(letter -> setAside.add(letter.offset()));
    for (int i = 0; i < 20; i++) {
      if (!setAside.contains((long) i)) {
        assertThat(rig.textsOf("k" + i)).as("effects of message " + i).hasSize(1);
      }
    }
    assertThat(setAside).contains(10L);
  }

  private static final String FAILS = "INSERT INTO effect (id) VALUES (NULL)";

  /** What handlers do with savepoints in SQL; a statement that has to fail begins with "!". */
  private enum Savepoints {
    FAILED_INSIDE("SAVEPOINT a", "!" + FAILS, "ROLLBACK TO SAVEPOINT a"),
    RELEASED("SAVEPOINT a", "SELECT 1", "RELEASE SAVEPOINT a"),
    RELEASED_BEHIND_A_FAILURE(
        "SAVEPOINT a", "!" + FAILS, "ROLLBACK TO SAVEPOINT a", "RELEASE SAVEPOINT a"),
    TWICE(
        "SAVEPOINT a",
        "!" + FAILS,
        "ROLLBACK TO SAVEPOINT a",
        "!" + FAILS,
        "ROLLBACK TRANSACTION TO a"),
    NESTED(
        "SAVEPOINT a",
        "SAVEPOINT b",
        "!" + FAILS,
        "ROLLBACK TO SAVEPOINT b",
        "!" + FAILS,
        "ROLLBACK TO SAVEPOINT a"),
    NESTED_TO_THE_OUTER("SAVEPOINT a", "SAVEPOINT b", "!" + FAILS, "ROLLBACK WORK TO SAVEPOINT a"),
    UNHARMED("SAVEPOINT a", "ROLLBACK TO SAVEPOINT a"),
    BEHIND_SUSPICIOUS_SQL("SELECT 'commit'", "SAVEPOINT a", "!" + FAILS, "ROLLBACK TO SAVEPOINT a"),
    BEFORE_SUSPICIOUS_SQL("SAVEPOINT a", "!" + FAILS, "ROLLBACK TO SAVEPOINT a", "SELECT 'commit'"),
    AROUND_SUSPICIOUS_SQL("SAVEPOINT a", "SELECT 'commit'", "!" + FAILS, "ROLLBACK TO SAVEPOINT a"),
    SUSPICIOUS_SQL_REFUSED(
        "SAVEPOINT a", "!" + FAILS, "!SELECT 'commit'", "ROLLBACK TO SAVEPOINT a"),
    SUSPICIOUS_SQL_FAILS("SAVEPOINT a", "!SELECT 1 / 0 AS abort", "ROLLBACK TO SAVEPOINT a");

    private final String statements;

    Savepoints(String... statements) {
      this.statements = String.join(";", statements);
    }

    void run(Connection connection) throws SQLException {
      for (String sql : statements.split(";", -1)) {
        try (Statement statement = connection.createStatement()) {
          if (sql.startsWith("!")) {
            assertThatThrownBy(() -> statement.execute(sql.substring(1)))
                .isInstanceOf(SQLException.class);
          } else {
            statement.execute(sql);
          }
        }
      }
    }
  }

  static Stream<Arguments> savepoints() {
    return Stream.of(Savepoints.values())
        .flatMap(how -> Stream.of(arguments(how, 1), arguments(how, 100)));
  }

  /** One of the handlers throws behind them once, so that it is tried again. */
  @ParameterizedTest
  @MethodSource("savepoints")
  void savepointsInSqlAreNoEnd(Savepoints how, int batchMax) throws Exception {
    rig.sendMany(20, 20);
    AtomicBoolean hasThrown = new AtomicBoolean();
    rig.start(
        rig.builder()
            .threads(1)
            .batchMax(batchMax)
            .handler(
                (connection, message) -> {
                  ConsumerRig.addEffect(connection, message);
                  how.run(connection);
                  if (message.text().equals("10") && hasThrown.compareAndSet(false, true)) {
                    throw new IllegalStateException("on purpose");
                  }
                }));
    ConsumerRig.eventually().until(() -> rig.committedOffset(0) == 20);
    assertThat(rig.deadLetters()).isEmpty();
    assertThat(rig.effects()).isEqualTo(20);
    assertThat(rig.number("SELECT count(DISTINCT id) FROM effect")).isEqualTo(20);
  }

  /** The first suspicious SQL comes when nobody can ask; the one that commits, later. */
  @ParameterizedTest
  @EnumSource(
      value = HiddenCommit.class,
      names = {"PAST_THE_CONNECTION_AND_ON", "AND_ANOTHER_BEGINS", "IN_A_TEXT_THAT_IS_MISREAD"})
  void alsoNoticesACommitBehindASavepoint(HiddenCommit how) throws Exception {
    rig.sendMany(20, 20);
    rig.start(
        rig.builder()
            .threads(1)
            .handler(
                (connection, message) -> {
                  Savepoints.FAILED_INSIDE.run(connection);
                  committing(how).handle(connection, message);
                }));
    ConsumerRig.eventually().until(() -> rig.committedOffset(0) == 20);
    assertNoneIsSkipped();
  }

  /** A statement has failed before, so that nobody could ask which transaction it is. */
  @ParameterizedTest
  @CsvSource({"true, true", "true, false", "false, true", "false, false"})
  void losesNothingOfATransactionThatHadFailed(boolean commits, boolean fails) throws Exception {
    rig.sendMany(20, 20);
    AtomicBoolean isDone = new AtomicBoolean();
    rig.start(
        rig.builder()
            .threads(1)
            .handler(
                (connection, message) -> {
                  ConsumerRig.addEffect(connection, message);
                  if (message.text().equals("10") && isDone.compareAndSet(false, true)) {
                    endPastAFailure(connection, commits);
                    if (fails) {
                      throw new IllegalStateException("fails behind it");
                    }
                  }
                }));
    ConsumerRig.eventually().until(() -> rig.committedOffset(0) == 20);
    if (commits) {
      assertNoneIsSkipped();
    } else {
      assertThat(rig.deadLetters()).isEmpty();
      assertThat(rig.number("SELECT count(DISTINCT id) FROM effect WHERE id <> 'tail'"))
          .isEqualTo(20);
    }
  }

  private static void endPastAFailure(Connection connection, boolean commits) throws SQLException {
    Savepoint savepoint = connection.setSavepoint();
    assertThatThrownBy(() -> execute(connection, FAILS)).isInstanceOf(SQLException.class);
    Connection real = connection.unwrap(Connection.class);
    connection.rollback(savepoint);
    if (commits) {
      real.commit();
    } else {
      real.rollback();
    }
    execute(real, "INSERT INTO effect (id) VALUES ('tail')");
  }

  private static void execute(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  /** What makes a handler suspect of having committed. */
  private enum Suspicion {
    UNWRAP,
    WORD,
    BLOCK;

    void raise(Connection connection) throws SQLException {
      switch (this) {
        case UNWRAP -> connection.unwrap(Connection.class).isValid(1);
        case WORD -> execute(connection, "SELECT 'to commit'");
        case BLOCK -> execute(connection, "DO $$ BEGIN NULL; END $$");
      }
    }
  }

  /** A handler fails once, when a repeat of one of its messages waits, and that one is handled. */
  private InboxConsumerBuilder failsOnceWhileAnotherWaits(
      Suspicion why, CountDownLatch entered, int batchMax) {
    AtomicBoolean isFirst = new AtomicBoolean(true);
    return rig.builder()
        .threads(1)
        .batchMax(batchMax)
        .handler(
            (connection, message) -> {
              why.raise(connection);
              ConsumerRig.addEffect(connection, message);
              if (isFirst.compareAndSet(true, false)) {
                entered.countDown();
                ConsumerRig.eventually().until(() -> rig.number(WAITING) > 0);
                execute(connection, "SELECT 1 / 0");
              }
            });
  }

  private static final String WAITING =
      "SELECT count(*) FROM pg_stat_activity"
          + " WHERE wait_event_type = 'Lock' AND datname = current_database()";

  static Stream<Arguments> suspicions() {
    return Stream.of(Suspicion.values())
        .flatMap(why -> Stream.of(arguments(why, 1), arguments(why, 100)));
  }

  /** Whoever has handled them, a transaction that was rolled back is none that was committed. */
  @ParameterizedTest
  @MethodSource("suspicions")
  void noHealthyMessageIsSetAsideWhereAnotherHasHandledIt(Suspicion why, int batchMax)
      throws Exception {
    rig.sendMany(20, 20);
    rig.flush();
    CountDownLatch entered = new CountDownLatch(1);
    rig.start(failsOnceWhileAnotherWaits(why, entered, batchMax));
    entered.await();
    rig.start(
        rig.builder()
            .kafka(rig.kafka(Map.of("group.id", rig.group() + "-b")))
            .threads(1)
            .batchMax(batchMax));
    ConsumerRig.eventually().until(() -> rig.committedOffset(0) == 20);
    assertThat(rig.deadLetters()).isEmpty();
    assertThat(rig.effects()).isEqualTo(20);
    assertThat(rig.number("SELECT count(DISTINCT id) FROM effect")).isEqualTo(20);
  }

  @Test
  void aRepeatSaysNothingOfTheOthersInItsBatch() throws Exception {
    String twice = ConsumerRig.newId();
    for (int i = 0; i < 20; i++) {
      rig.send(0, "k" + i, i == 7 ? twice : ConsumerRig.newId(), "" + i);
    }
    rig.flush();
    CountDownLatch entered = new CountDownLatch(1);
    rig.start(failsOnceWhileAnotherWaits(Suspicion.UNWRAP, entered, 100));
    entered.await();
    Inbox inbox = Inbox.named(ConsumerRig.NAME).build();
    new Transactions(rig.dataSource())
        .run(
            connection -> {
              inbox.admit(connection, MessageId.of(twice));
              execute(connection, "INSERT INTO effect (id) VALUES ('" + twice + "')");
              return true;
            });
    ConsumerRig.eventually().until(() -> rig.committedOffset(0) == 20);
    assertThat(rig.deadLetters()).isEmpty();
    assertThat(rig.effects()).isEqualTo(20);
    assertThat(rig.number("SELECT count(DISTINCT id) FROM effect")).isEqualTo(20);
  }

  /** What it has written is there, and whoever starts it anew has to know of it. */
  @Test
  void alsoStopsWhereAHandlerHasCommitted() throws Exception {
    rig.sendMany(20, 20);
    rig.flush();
    InboxConsumer consumer =
        rig.start(
            rig.builder()
                .threads(1)
                .onFailure(FailurePolicy.STOP)
                .handler(committing(HiddenCommit.PAST_THE_CONNECTION)));
    ConsumerRig.eventually().until(() -> consumer.state() == ConsumerState.STOPPED);
    assertThat(consumer.reason()).contains("may be committed");
    assertThat(rig.committedOffset(0)).isLessThan(20);
    assertThat(rig.deadLetters().stream().map(DeadLetter::offset)).contains(10L);
  }

  /** Its statements would be in the transaction of another message, or in one of their own. */
  @Test
  void aHandlerThatGoesOnAfterItsReturnWritesNoMore() throws Exception {
    rig.sendMany(2, 1);
    CountDownLatch next = new CountDownLatch(1);
    CountDownLatch written = new CountDownLatch(1);
    AtomicReference<FutureTask<Void>> late = new AtomicReference<>();
    rig.start(
        rig.builder()
            .threads(1)
            .batchMax(1)
            .handler(
                (connection, message) -> {
                  ConsumerRig.addEffect(connection, message);
                  if (late.get() == null) {
                    Statement early = connection.createStatement();
                    late.set(
                        new FutureTask<>(
                            () -> {
                              next.await();
                              assertThatThrownBy(() -> early.execute("DELETE FROM effect"))
                                  .hasMessageContaining("has returned");
                              early.close();
                              ConsumerRig.addEffect(connection, message);
                              return null;
                            }));
                    new Thread(late.get()).start();
                  } else {
                    next.countDown();
                    assertThatThrownBy(() -> late.get().get(60, TimeUnit.SECONDS))
                        .rootCause()
                        .isInstanceOf(SQLException.class)
                        .hasMessageContaining("has returned");
                    written.countDown();
                  }
                }));
    assertThat(written.await(90, TimeUnit.SECONDS)).isTrue();
    ConsumerRig.eventually().until(() -> rig.committedOffset(0) == 2);
    assertThat(rig.effects()).isEqualTo(2);
  }
}
