package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TransactionsIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  private final ExecutorService others = Executors.newCachedThreadPool();
  private InboxDatabase database;
  private ReusedConnections connections;
  private Transactions transactions;

  @BeforeEach
  void setUp() throws Exception {
    database = InboxDatabase.create(postgres);
    connections = new ReusedConnections(database);
    transactions = new Transactions(connections);
  }

  @AfterEach
  void tearDown() throws Exception {
    others.shutdownNow();
    connections.close();
  }

  @Test
  void commitsWhatTheWorkHasDone() throws Exception {
    String result =
        transactions.run(
            connection -> {
              assertThat(connection.getAutoCommit()).isFalse();
              InboxDatabase.addEffect(connection, MessageId.of("1"));
              return "done";
            });
    assertThat(result).isEqualTo("done");
    assertThat(database.effects()).isOne();
  }

  /**
   * PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK and no error, and so does
   * its driver: the work would count as done.
   */
  @Test
  void doesNotTakeAFailedTransactionForACommittedOne() throws Exception {
    assertThatThrownBy(
            () ->
                transactions.run(
                    connection -> {
                      InboxDatabase.addEffect(connection, MessageId.of("1"));
                      try (var statement = connection.createStatement()) {
                        statement.execute("SELECT 1 / 0");
                      } catch (SQLException swallowed) {
                        return "done";
                      }
                      return "not failed";
                    }))
        .isInstanceOfSatisfying(
            SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("25P02"));
    assertThat(database.effects()).isZero();
  }

  @Test
  void commitsWhatASavepointHasMended() throws Exception {
    transactions.run(
        connection -> {
          InboxDatabase.addEffect(connection, MessageId.of("1"));
          var savepoint = connection.setSavepoint();
          try (var statement = connection.createStatement()) {
            statement.execute("SELECT 1 / 0");
          } catch (SQLException expected) {
            connection.rollback(savepoint);
          }
          return true;
        });
    assertThat(database.effects()).isOne();
  }

  @Test
  void rollsBackWhateverTheWorkThrows() throws Exception {
    for (Throwable thrown :
        new Throwable[] {
          new IOException("io"), new IllegalStateException("state"), new StackOverflowError("error")
        }) {
      assertThatThrownBy(
              () ->
                  transactions.<Void, Exception>run(
                      connection -> {
                        InboxDatabase.addEffect(connection, MessageId.of("1"));
                        if (thrown instanceof Error error) {
                          throw error;
                        }
                        throw (Exception) thrown;
                      }))
          .isSameAs(thrown);
    }
    assertThat(database.effects()).isZero();
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void leavesTheConnectionsAutoCommitAsItWas(boolean isAutoCommit) throws Exception {
    setAutoCommit(isAutoCommit);
    transactions.run(connection -> true);
    assertThat(autoCommit()).isEqualTo(isAutoCommit);
    assertThatThrownBy(
            () ->
                transactions.run(
                    connection -> {
                      throw new IllegalStateException("no");
                    }))
        .isInstanceOf(IllegalStateException.class);
    assertThat(autoCommit()).isEqualTo(isAutoCommit);
  }

  @Test
  void doesNotLetAFailingRollbackHideTheCause() {
    assertThatThrownBy(
            () ->
                transactions.<Void, Exception>run(
                    connection -> {
                      endSession(connection);
                      throw new IOException("the cause");
                    }))
        .isInstanceOf(IOException.class)
        .hasMessage("the cause");
  }

  @Test
  void throwsWhatTheCommitThrows() throws Exception {
    database.execute("ALTER TABLE effect ADD UNIQUE (id) DEFERRABLE INITIALLY DEFERRED");
    assertThatThrownBy(
            () ->
                transactions.run(
                    connection -> {
                      InboxDatabase.addEffect(connection, MessageId.of("1"));
                      InboxDatabase.addEffect(connection, MessageId.of("1"));
                      return true;
                    }))
        .isInstanceOf(SQLException.class)
        .hasMessageContaining("effect_id_key");
    assertThat(database.effects()).isZero();
  }

  /** Two that lock two rows crosswise: the database ends one of them, which is then run again. */
  @Test
  void runsTheLoserOfADeadlockAgain() throws Exception {
    database.execute(
        "CREATE TABLE stock (item text PRIMARY KEY, number int NOT NULL)",
        "INSERT INTO stock VALUES ('a', 0), ('b', 0)");
    Crossing crossing =
        new Crossing(new CyclicBarrier(2), new CountDownLatch(1), new AtomicInteger());
    Future<?> one = others.submit(() -> addToBoth("a", "b", crossing));
    Future<?> two = others.submit(() -> addToBoth("b", "a", crossing));
    one.get(120, TimeUnit.SECONDS);
    two.get(120, TimeUnit.SECONDS);
    assertThat(database.number("SELECT sum(number) FROM stock")).isEqualTo(4);
    assertThat(crossing.runs()).hasValue(3);
  }

  private record Crossing(
      CyclicBarrier bothHoldOne, CountDownLatch winnerIsDone, AtomicInteger runs) {}

  private Void addToBoth(String first, String second, Crossing crossing) throws Exception {
    CountDownLatch isFirstRun = new CountDownLatch(1);
    transactions.<Boolean, Exception>runThroughConflicts(
        3,
        connection -> {
          crossing.runs().incrementAndGet();
          if (isFirstRun.getCount() > 0) {
            isFirstRun.countDown();
            add(connection, first);
            crossing.bothHoldOne().await(120, TimeUnit.SECONDS);
          } else {
            // It may be quicker than the winner to take the row it has just let go, and lose again.
            crossing.winnerIsDone().await(120, TimeUnit.SECONDS);
            add(connection, first);
          }
          add(connection, second);
          return true;
        });
    crossing.winnerIsDone().countDown();
    return null;
  }

  private static void add(Connection connection, String item) throws SQLException {
    try (var update =
        connection.prepareStatement("UPDATE stock SET number = number + 1 WHERE item = ?")) {
      update.setString(1, item);
      update.executeUpdate();
    }
  }

  @Test
  void findsAConflictUnderACheckedException() throws Exception {
    AtomicInteger runs = new AtomicInteger();
    String result =
        transactions.<String, IOException>runThroughConflicts(
            2,
            connection -> {
              if (runs.incrementAndGet() == 1) {
                throw new IOException(new SQLException("conflict", "40001"));
              }
              return "done";
            });
    assertThat(result).isEqualTo("done");
  }

  @Test
  void throwsTheLastConflictWhenEveryAttemptMetOne() {
    AtomicInteger runs = new AtomicInteger();
    assertThatThrownBy(
            () ->
                transactions.runThroughConflicts(
                    3,
                    connection -> {
                      throw new SQLException("conflict " + runs.incrementAndGet(), "40001");
                    }))
        .isInstanceOf(SQLException.class)
        .hasMessage("conflict 3");
  }

  @Test
  void runsNothingAgainThatIsNoConflict() {
    AtomicInteger runs = new AtomicInteger();
    assertThatThrownBy(
            () ->
                transactions.runThroughConflicts(
                    3,
                    connection -> {
                      runs.incrementAndGet();
                      throw new SQLException("away", "08006");
                    }))
        .hasMessage("away");
    assertThat(runs).hasValue(1);
  }

  private static void endSession(Connection connection) {
    try (var statement = connection.createStatement()) {
      statement.execute("SELECT pg_terminate_backend(pg_backend_pid())");
    } catch (SQLException expected) {
      assertThat(expected.getSQLState()).isEqualTo("57P01");
    }
  }

  private void setAutoCommit(boolean isAutoCommit) throws SQLException {
    try (Connection connection = connections.getConnection()) {
      connection.setAutoCommit(isAutoCommit);
    }
  }

  private boolean autoCommit() throws SQLException {
    try (Connection connection = connections.getConnection()) {
      return connection.getAutoCommit();
    }
  }
}
