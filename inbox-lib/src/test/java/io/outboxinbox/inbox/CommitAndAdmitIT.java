package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The commit of one message and the admission of the next in one round trip: whatever fails, the
 * answer is that of a commit, and nothing is kept of a message that is not committed.
 */
class CommitAndAdmitIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  private final Inbox inbox = Inbox.named(InboxDatabase.CONSUMER).build();
  private InboxDatabase database;

  @BeforeEach
  void setUp() throws Exception {
    database = InboxDatabase.create(postgres);
    database.execute(
        "CREATE TABLE late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)",
        "INSERT INTO late VALUES (1)",
        "CREATE TABLE pair (name text PRIMARY KEY, is_on boolean NOT NULL)",
        "INSERT INTO pair VALUES ('a', true), ('b', true)");
  }

  /** Admits a message and does its work, not committed yet. */
  private Outcome begin(Connection connection, MessageId id) throws SQLException {
    Outcome outcome = inbox.admit(connection, id);
    InboxDatabase.addEffect(connection, id);
    return outcome;
  }

  private Optional<Outcome> next(Connection connection, Outcome current, MessageId next)
      throws SQLException {
    return inbox.commitAndAdmit(connection, current, Arrival.of(next));
  }

  private static void execute(Connection connection, String sql) throws SQLException {
    try (var statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  private static String show(Connection connection, String setting) throws SQLException {
    try (var statement = connection.createStatement();
        var row = statement.executeQuery("SHOW " + setting)) {
      row.next();
      return row.getString(1);
    }
  }

  private long known(MessageId id) throws SQLException {
    return database.number(
        "SELECT count(*) FROM inbox_message WHERE message_key = '" + id.key() + "'");
  }

  /** Whatever pgjdbc is told, the answers are right; some settings only cost the advantage. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "prepareThreshold=0",
        "prepareThreshold=1",
        "prepareThreshold=-1",
        "preferQueryMode=simple",
        "preferQueryMode=extendedForPrepared",
        "preferQueryMode=extendedCacheEverything",
        "preparedStatementCacheQueries=0",
        "autosave=always",
        "autosave=conservative",
        "autosave=always&cleanupSavepoints=true",
        "reWriteBatchedInserts=true",
        "readOnlyMode=always",
        "readOnlyMode=ignore"
      })
  void keepsEachMessageOfALongRowOnceWhateverTheDriverIsTold(String properties) throws Exception {
    PostgresDatabase server = database.database();
    String url = server.jdbcUrl() + (server.jdbcUrl().contains("?") ? "&" : "?") + properties;
    int rows = 25;
    try (Connection connection =
        DriverManager.getConnection(url, server.user(), server.password())) {
      connection.setAutoCommit(false);
      Outcome outcome = inbox.admit(connection, InboxDatabase.newId());
      for (int i = 0; i < rows; i++) {
        assertThat(outcome.isNew()).isTrue();
        InboxDatabase.addEffect(connection, outcome.id());
        // Every fifth comes twice in a row.
        MessageId following = i % 5 == 4 ? outcome.id() : InboxDatabase.newId();
        Optional<Outcome> next = next(connection, outcome, following);
        assertThat(database.effects()).isEqualTo(i + 1);
        // Savepoints that the driver sets and releases do not survive a commit in between.
        assertThat(next.isEmpty()).isEqualTo(properties.contains("autosave"));
        if (next.isEmpty()) {
          next = Optional.of(inbox.admit(connection, following));
        }
        if (following.equals(outcome.id())) {
          assertThat(next.get().isDuplicate()).isTrue();
          connection.commit();
          next = Optional.of(inbox.admit(connection, InboxDatabase.newId()));
        }
        outcome = next.get();
      }
      connection.rollback();
    }
    assertThat(database.number("SELECT count(*) FROM inbox_message")).isEqualTo(rows);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void asksTheServerOnceForBoth(boolean isPooled) throws Exception {
    AtomicInteger commits = new AtomicInteger();
    AtomicInteger statements = new AtomicInteger();
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(database.database().jdbcUrl());
    config.setUsername(database.database().user());
    config.setPassword(database.database().password());
    config.setMaximumPoolSize(1);
    try (HikariDataSource pool = new HikariDataSource(config);
        Connection real = isPooled ? pool.getConnection() : database.connect()) {
      real.setAutoCommit(false);
      Connection connection = counting(real, commits, statements);
      Outcome first = begin(connection, InboxDatabase.newId());
      commits.set(0);
      statements.set(0);
      assertThat(next(connection, first, InboxDatabase.newId())).get().matches(Outcome::isNew);
      assertThat(commits).hasValue(0);
      assertThat(statements).hasValue(1);
    }
    // What was not committed went with the connection.
    assertThat(database.number("SELECT count(*) FROM inbox_message")).isEqualTo(1);
  }

  private static Connection counting(
      Connection real, AtomicInteger commits, AtomicInteger statements) {
    return (Connection)
        Proxy.newProxyInstance(
            CommitAndAdmitIT.class.getClassLoader(),
            new Class<?>[] {Connection.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("commit")) {
                commits.incrementAndGet();
              } else if (method.getName().equals("prepareStatement")) {
                statements.incrementAndGet();
              }
              try {
                return method.invoke(real, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  /** COMMIT of a failed transaction rolls back, and says so without failing. */
  @ParameterizedTest
  @ValueSource(strings = {"", "preferQueryMode=simple", "autosave=conservative"})
  void failsWhereTheWorkHasSwallowedAnError(String properties) throws Exception {
    PostgresDatabase server = database.database();
    String url = server.jdbcUrl() + (server.jdbcUrl().contains("?") ? "&" : "?") + properties;
    MessageId current = InboxDatabase.newId();
    MessageId following = InboxDatabase.newId();
    try (Connection connection =
        DriverManager.getConnection(url, server.user(), server.password())) {
      connection.setAutoCommit(false);
      Outcome outcome = begin(connection, current);
      assertThatThrownBy(() -> execute(connection, "SELECT 1 / 0"))
          .isInstanceOf(SQLException.class);
      assertThatThrownBy(() -> next(connection, outcome, following))
          .isInstanceOfSatisfying(
              SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("25P02"));
      // Even who takes no notice keeps nothing.
      connection.commit();
    }
    assertThat(known(current)).isZero();
    assertThat(known(following)).isZero();
    assertThat(database.effects()).isZero();
  }

  @Test
  void failsWhereTheCommitDoes() throws Exception {
    MessageId current = InboxDatabase.newId();
    MessageId following = InboxDatabase.newId();
    try (Connection connection = database.connect()) {
      Outcome outcome = begin(connection, current);
      execute(connection, "INSERT INTO late VALUES (1)");
      SQLException failure =
          catchThrowableOfType(SQLException.class, () -> next(connection, outcome, following));
      assertThat(failure.getSQLState()).isEqualTo("23505");
      connection.commit();
    }
    assertThat(known(current)).isZero();
    assertThat(known(following)).isZero();
    assertThat(database.effects()).isZero();
  }

  /** The state a message below the floor has too; here it is the work's own. */
  @Test
  void takesARuleOfTheWorkForNoMovedFloor() throws Exception {
    database.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            + " $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation'; END $$",
        "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON effect DEFERRABLE INITIALLY DEFERRED"
            + " FOR EACH ROW EXECUTE FUNCTION refuse()");
    MessageId current = InboxDatabase.newId();
    try (Connection connection = database.connect()) {
      Outcome outcome = begin(connection, current);
      assertThatThrownBy(() -> next(connection, outcome, InboxDatabase.newId()))
          .isInstanceOfSatisfying(
              SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("23514"));
    }
    assertThat(known(current)).isZero();
  }

  @Test
  void failsWhereTheCommitCannotBeSerialized() throws Exception {
    MessageId current = InboxDatabase.newId();
    MessageId following = InboxDatabase.newId();
    try (Connection connection = database.connect(Connection.TRANSACTION_SERIALIZABLE);
        Connection other = database.connect(Connection.TRANSACTION_SERIALIZABLE)) {
      Outcome outcome = begin(connection, current);
      execute(connection, "SELECT count(*) FROM pair WHERE is_on");
      execute(other, "SELECT count(*) FROM pair WHERE is_on");
      execute(other, "UPDATE pair SET is_on = false WHERE name = 'b'");
      execute(connection, "UPDATE pair SET is_on = false WHERE name = 'a'");
      other.commit();
      SQLException failure =
          catchThrowableOfType(SQLException.class, () -> next(connection, outcome, following));
      assertThat(failure.getSQLState()).isEqualTo("40001");
      assertThat(RetryAdvice.of(failure)).isEqualTo(RetryAdvice.AGAIN);
      connection.commit();
    }
    assertThat(known(current)).isZero();
    assertThat(known(following)).isZero();
  }

  @Test
  void hasCommittedWhereOnlyTheNextMessageFails() throws Exception {
    MessageId current = InboxDatabase.newId();
    MessageId following = InboxDatabase.newId();
    try (Connection connection = database.connect();
        Connection other = database.connect()) {
      execute(connection, "SET lock_timeout = '50ms'");
      inbox.admit(other, following);
      Outcome outcome = begin(connection, current);
      assertThat(next(connection, outcome, following)).isEmpty();
      assertThat(known(current)).isEqualTo(1);
      assertThat(database.number(transactionsOpen())).isEqualTo(1);
      other.rollback();
      // Alone, it is a message like any other.
      assertThat(inbox.admit(connection, following).isNew()).isTrue();
      connection.commit();
    }
    assertThat(known(following)).isEqualTo(1);
  }

  private static String transactionsOpen() {
    return "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        + " AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND backend_type = 'client backend'";
  }

  /** The connection is cut after the commit and before its answer. */
  @Test
  void saysThatNobodyKnowsWhereTheConnectionIsCut() throws Exception {
    MessageId current = InboxDatabase.newId();
    MessageId following = InboxDatabase.newId();
    try (Connection connection = database.connect();
        Connection other = database.connect()) {
      inbox.admit(other, following);
      Outcome outcome = begin(connection, current);
      CompletableFuture<SQLException> failure =
          CompletableFuture.supplyAsync(
              () ->
                  catchThrowableOfType(
                      SQLException.class, () -> next(connection, outcome, following)));
      Awaitility.await().until(() -> database.sessionsWaiting() == 1);
      database.execute(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
              + " WHERE datname = current_database() AND wait_event_type = 'Lock'");
      assertThat(RetryAdvice.of(failure.get(120, TimeUnit.SECONDS))).isEqualTo(RetryAdvice.LATER);
    }
    // What the caller does about it is safe: it runs the message again.
    try (Connection connection = database.connect()) {
      assertThat(inbox.admit(connection, current).isDuplicate()).isTrue();
      assertThat(inbox.admit(connection, following).isNew()).isTrue();
    }
  }

  @Test
  void saysThatNobodyKnowsWhereTheDatabaseCannotBeAsked() throws Exception {
    MessageId following = InboxDatabase.newId();
    try (Connection real = database.connect();
        Connection other = database.connect()) {
      execute(real, "SET lock_timeout = '50ms'");
      inbox.admit(other, following);
      Connection connection =
          (Connection)
              Proxy.newProxyInstance(
                  CommitAndAdmitIT.class.getClassLoader(),
                  new Class<?>[] {Connection.class},
                  (proxy, method, arguments) -> {
                    if (method.getName().equals("rollback")) {
                      throw new SQLException("the pool has closed it");
                    }
                    return method.invoke(real, arguments);
                  });
      Outcome outcome = begin(connection, InboxDatabase.newId());
      SQLException failure =
          catchThrowableOfType(SQLException.class, () -> next(connection, outcome, following));
      assertThat(failure.getSQLState()).isEqualTo("08007");
      assertThat(RetryAdvice.of(failure)).isEqualTo(RetryAdvice.LATER);
    }
  }

  @ParameterizedTest
  @ValueSource(
      ints = {
        Connection.TRANSACTION_READ_COMMITTED,
        Connection.TRANSACTION_REPEATABLE_READ,
        Connection.TRANSACTION_SERIALIZABLE
      })
  void beginsTheNextTransactionAsTheSessionIsSet(int isolation) throws Exception {
    try (Connection connection = database.connect(isolation)) {
      String wanted = show(connection, "transaction_isolation");
      connection.rollback();
      // Whatever the work has told its own transaction ends with that.
      execute(
          connection,
          "SET TRANSACTION ISOLATION LEVEL "
              + (isolation == Connection.TRANSACTION_SERIALIZABLE
                  ? "READ COMMITTED"
                  : "SERIALIZABLE"));
      Outcome outcome = begin(connection, InboxDatabase.newId());
      execute(connection, "SET LOCAL work_mem = '123kB'");
      assertThat(next(connection, outcome, InboxDatabase.newId())).isPresent();
      assertThat(show(connection, "transaction_isolation")).isEqualTo(wanted);
      assertThat(show(connection, "transaction_read_only")).isEqualTo("off");
      assertThat(show(connection, "work_mem")).isNotEqualTo("123kB");
    }
  }

  @Test
  void commitsEachTransactionDurably() throws Exception {
    try (Connection connection = database.connect()) {
      execute(connection, "SET synchronous_commit = off");
      connection.commit();
      Outcome outcome = begin(connection, InboxDatabase.newId());
      assertThat(next(connection, outcome, InboxDatabase.newId())).isPresent();
      assertThat(show(connection, "synchronous_commit")).isEqualTo("on");
      connection.commit();
      assertThat(show(connection, "synchronous_commit")).isEqualTo("off");
    }
  }

  @Test
  void leavesAMessageBelowTheFloorToBeAskedAboutByItself() throws Exception {
    database.execute("UPDATE inbox_floor SET floor = now() - interval '1 day'");
    MessageId old = InboxDatabase.idOf(System.currentTimeMillis() - Duration.ofDays(2).toMillis());
    MessageId current = InboxDatabase.newId();
    try (Connection connection = database.connect()) {
      Outcome outcome = begin(connection, current);
      assertThat(next(connection, outcome, old)).isEmpty();
      assertThat(known(current)).isEqualTo(1);
      assertThat(inbox.admit(connection, old).isTooOld()).isTrue();
    }
    assertThat(known(old)).isZero();
  }

  @Test
  void meetsAFloorThatHasMovedSinceItWasRead() throws Exception {
    // Of a day without a partition, where the floor is also a rule of the table.
    MessageId old = InboxDatabase.idOf(System.currentTimeMillis() - Duration.ofDays(3).toMillis());
    MessageId current = InboxDatabase.newId();
    try (Connection connection = database.connect()) {
      Outcome outcome = begin(connection, current);
      connection.commit();
      database.execute("SELECT * FROM inbox_clean(interval '1 day')");
      Outcome second = begin(connection, InboxDatabase.newId());
      assertThat(next(connection, second, old)).isEmpty();
      assertThat(known(second.id())).isEqualTo(1);
      assertThat(outcome.isNew()).isTrue();
      assertThatThrownBy(() -> inbox.admit(connection, old))
          .isInstanceOf(InboxException.Retryable.class);
      connection.rollback();
      assertThat(inbox.admit(connection, old).isTooOld()).isTrue();
    }
  }

  @Test
  void readsTheFloorAnewByItself() throws Exception {
    long[] nanos = {0};
    Inbox clocked = Inbox.named(InboxDatabase.CONSUMER).nanoTime(() -> nanos[0]).build();
    try (Connection connection = database.connect()) {
      Outcome outcome = clocked.admit(connection, InboxDatabase.newId());
      nanos[0] = TimeUnit.MINUTES.toNanos(2);
      MessageId following = InboxDatabase.newId();
      assertThat(clocked.commitAndAdmit(connection, outcome, Arrival.of(following))).isEmpty();
      assertThat(known(outcome.id())).isEqualTo(1);
      outcome = clocked.admit(connection, following);
      assertThat(clocked.commitAndAdmit(connection, outcome, Arrival.of(InboxDatabase.newId())))
          .isPresent();
    }
  }

  @Test
  void knowsRepeatsAndNeverAnswersFromTheCacheBeforeItIsTold() throws Exception {
    try (Connection connection = database.connect()) {
      Outcome outcome = begin(connection, InboxDatabase.newId());
      Outcome second = next(connection, outcome, InboxDatabase.newId()).get();
      connection.rollback();
      assertThat(inbox.admit(connection, second.id()).isNew()).isTrue();
      connection.rollback();
      inbox.committed(List.of(outcome));
      // From here on it answers without the database, so there is nothing to send along.
      Outcome third = inbox.admit(connection, InboxDatabase.newId());
      assertThat(next(connection, third, outcome.id())).isEmpty();
      assertThat(known(third.id())).isEqualTo(1);
    }
  }

  @Test
  void onlyCommitsWhereMarksAreAsked() throws Exception {
    Inbox marked = Inbox.named("marked").mode(InboxMode.WATERMARK).build();
    try (Connection connection = database.connect()) {
      Outcome outcome = marked.admit(connection, numbered(1));
      InboxDatabase.addEffect(connection, outcome.id());
      assertThat(marked.commitAndAdmit(connection, outcome, numbered(2))).isEmpty();
    }
    assertThat(database.effects()).isEqualTo(1);
    assertThat(database.number("SELECT max(sequence) FROM inbox_watermark")).isEqualTo(1);
  }

  private static Arrival numbered(long sequence) {
    return new Arrival(
        InboxDatabase.newId(), Instant.now(), new Origin("shop", "orders", 0, 1, sequence));
  }

  @Test
  void onlyCommitsARepeat() throws Exception {
    try (Connection connection = database.connect()) {
      Outcome outcome = begin(connection, InboxDatabase.newId());
      connection.commit();
      Outcome repeat = inbox.admit(connection, outcome.id());
      assertThat(repeat.isDuplicate()).isTrue();
      execute(connection, "INSERT INTO effect VALUES ('with the repeat')");
      assertThat(next(connection, repeat, InboxDatabase.newId())).isEmpty();
    }
    assertThat(database.effects()).isEqualTo(2);
  }
}
